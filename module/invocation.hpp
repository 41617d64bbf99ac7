// One run of a command: started, drained at all times, ended when it is time,
// seen to its end.
//
// - Both outputs are read as long as the command runs, whatever becomes of
//   what was read.
// - The invocation is over when the command's own process has exited; what is
//   left of its process group is killed before the process is reaped, while
//   its number can't belong to anybody else.
// - There is exactly one call of `onFinished`, and after it no process,
//   descriptor or timer is left, but for a command that can't be killed: that
//   is reaped when it exits, and `onLateExit` called.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/outcome.hpp"

#include "loop.hpp"
#include "spawn.hpp"

namespace command {

// To be used on the loop's thread only.
class Invocation
{
public:
  using OnOutput = std::function<Try<Nothing>(const char*, size_t)>;
  using OnFinished = std::function<void(const Outcome&)>;

  Invocation(
    Loop* loop,
    CommandSpec spec,
    OnOutput onOutput, // Fails if the output does not fit on the disk.
    OnFinished onFinished,
    Loop::Task onLateExit);

  // A failure to start is reported through `onFinished`, too. Closes the
  // command's input.
  void start();

  // Ends the command: SIGTERM to its group now, SIGKILL after the grace
  // period. The first reason counts.
  void end(const std::string& reason);

  pid_t pid() const { return child.pid; }

private:
  struct Stream
  {
    int fd = -1; // -1: closed.
    uint64_t watch = 0;
  };

  void open(Stream* stream, int fd);
  bool read(Stream* stream); // Whether there was anything.
  void close(Stream* stream);
  void take(const char* data, size_t size);
  void after(const std::string& what, double seconds, Loop::Task task);
  void cancelTimers();
  void watchIdle();
  void abandon();
  void exited();
  void look();
  void findHolders(bool last);
  void finish();

  bool isReaped() const { return outcome.exitCode || outcome.signal; }
  bool isDrained() const { return output.fd < 0 && error.fd < 0; }

  Loop* const loop;
  const CommandSpec spec;
  const Route& route;
  const OnOutput onOutput;
  const OnFinished onFinished;
  const Loop::Task onLateExit;

  Child child;
  std::optional<uint64_t> began; // Clock ticks; once it has left pipes open.
  Stream output;
  Stream error;
  uint64_t exitWatch = 0;
  std::map<std::string, Loop::Timer> timers; // By what they are for.
  Loop::Clock::time_point started;
  Loop::Clock::time_point lastOutput;
  bool abandoned = false; // It can't be killed; nobody waits for it.
  bool cut = false; // Output is over its limit; what comes is dropped.
  int64_t passed = 0;
  Outcome outcome;
};

} // namespace command {
