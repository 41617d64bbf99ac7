// Starting a command: its descriptors, signals, session and limits, and why it
// could not start.
//
// The agent never forks: that would copy its page tables, which takes longer
// the larger it is. Nor does posix_spawn do, which can't set limits, umask,
// niceness and the signal that follows the agent's death. So this does what
// posix_spawn does inside: a child that shares the agent's memory until it
// executes the program, and reports a failure by writing it there.
//
// Sources: clone(2), execve(2), prctl(2), close_range(2), pidfd_open(2).

#ifndef __COMMAND_SPAWN_HPP__
#define __COMMAND_SPAWN_HPP__

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include <stout/try.hpp>

#include "core/environment.hpp"

namespace command {

struct Launch
{
  std::vector<std::string> argv;
  Environment environment;
  int input; // Becomes descriptor 0; stays open here.
  std::map<std::string, int64_t> limits;
  std::string directory;
  bool endWithHost; // SIGTERM if the agent dies.
  unsigned lastAlarm; // Seconds until SIGALRM, for when the agent has died.
};


struct Child
{
  pid_t pid; // Of the process, its group and its session.
  int pidfd; // Readable when it has exited; -1 where the kernel has none.
  int output;
  int error; // Read ends, non-blocking.
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


Try<Child, StartError> spawn(const Launch& launch);

// Whether a command has exited; its process id stays taken until `reap`.
bool hasExited(const Child& child);

// The exit code (0 or more), or the negative number of the signal that ended
// it, of a command that has exited.
int reap(const Child& child);

// Kills every process whose environment names a request: descendants of its
// command that left the process group, and still hold its pipes.
void killEscaped(const std::string& requestId);

} // namespace command {

#endif // __COMMAND_SPAWN_HPP__
