// How a command ended: what its answer, the log and the metrics are made of.

#pragma once

#include <optional>
#include <string>

namespace command {

struct Outcome
{
  std::string requestId;

  // A key of `REASONS`: "exit", "signal", or why the host ended the command
  // or could not start it.
  std::string reason;

  // Neither of the two if it never started, or could not be killed.
  std::optional<int> exitCode;
  std::optional<int> signal;
  double seconds = 0; // That the command took.
  double timeout = 0; // That applied, in seconds.
  std::string stderr_; // The last `MAX_STDERR_BYTES` + 1 bytes at least.

  // Why it could not be started, or not be killed, without a full stop.
  std::string detail;

  bool started() const
  {
    return reason != "start-failed" && reason != "exhausted";
  }

  // Whether the command could not be killed, and has no end that could be
  // told.
  bool runsOn() const { return started() && !exitCode && !signal; }
};

} // namespace command {
