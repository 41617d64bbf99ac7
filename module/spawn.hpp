// Starting a command: its descriptors, signals, session and limits.
//
// The agent never forks, which takes longer the larger it is, and posix_spawn
// can't set limits. So this does what posix_spawn does inside: a child that
// shares the agent's memory until it executes the program.
//
// Sources: clone(2), execve(2), prctl(2), close_range(2), pidfd_open(2).

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <stout/try.hpp>

#include "core/environment.hpp"
#include "core/route.hpp"

#include "guard.hpp"

namespace command {

// What is to be run.
struct CommandSpec
{
  const Route& route;
  std::string requestId;
  std::vector<std::string> argv;
  Environment environment;
  Try<int> input; // Becomes descriptor 0; or why there is none.
  double timeout; // Seconds.
};


struct Child
{
  pid_t pid = 0; // Of the process, its group and its session.
  int pidfd = -1; // Readable when it has exited; -1 where the kernel has none.
  int output = -1;
  int error = -1; // Read ends, non-blocking.
  Guarded* guarded = nullptr;
};


class StartError : public Error
{
public:
  // `reason` is "start-failed" or "exhausted".
  StartError(const std::string& _reason, const std::string& message)
    : Error(message), reason(_reason)
  {
  }

  const std::string reason;
};


Try<Child, StartError> spawn(const CommandSpec& spec);

// Whether a command has exited; its process id stays taken until `reap`.
bool hasExited(const Child& child);

// Why a command that has not been reaped still runs so long after SIGKILL was
// sent to its group.
std::string whyAlive(const Child& child, double seconds);

// The exit code (0 or more), or the negative number of the signal that ended
// it, of a command that has exited. Closes the pidfd.
int reap(const Child& child);

// Makes nothing but system calls.
void closeFrom(int first);

} // namespace command {
