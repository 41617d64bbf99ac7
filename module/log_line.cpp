#include "log_line.hpp"

#include <sstream>


#include "core/formatting.hpp"
#include "core/status_names.hpp"

#include "command_exchange.hpp"

using std::string;

namespace command {

// Text of others in one line, with nothing that steers a terminal.
static string tame(const string& text)
{
  string result;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result += c == '\n'                   ? string(" | ") :
              byte < 0x20 || byte == 0x7F ? string("?") :
                                            string(1, c);
  }
  return result;
}


string logLine(const CommandRequest& request, pid_t pid, const Outcome& outcome)
{
  std::ostringstream out;
  out << request.method << " /" << request.route.process << request.route.path
      << " request " << outcome.requestId;
  if (request.principal) {
    out << " of '" << tame(*request.principal) << "'";
  }
  if (!outcome.started()) {
    out << " was not started: " << tame(outcome.detail);
  } else {
    out << " pid " << pid << " ";
    string detail;
    if (outcome.runsOn()) {
      out << "can't be killed and is left alone: " << tame(outcome.detail);
    } else {
      out
        << (outcome.signal ? signalName(*outcome.signal) :
                             "exit " + std::to_string(*outcome.exitCode));
      detail = outcome.detail.empty() ? "" : ": " + tame(outcome.detail);
    }
    if (outcome.reason != "exit" && outcome.reason != "signal") {
      out << " (" << outcome.reason << detail << ")";
    }
    out << " in " << secondsText(outcome.seconds) << " s";
  }
  if (!outcome.stderr_.empty()) {
    out << ": " << tame(stderrTail(outcome.stderr_));
  }
  return out.str();
}

} // namespace command {
