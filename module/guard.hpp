// Ends commands when the agent, which would have ended them, has died.
//
// The guard is a process of its own, forked once when the module starts: the
// agent is small then, and all that the guard has to know later is in memory
// that both share. It waits for the end of a pipe that only the agent holds
// open, and then does to each process group what the agent would have done.

#ifndef __COMMAND_GUARD_HPP__
#define __COMMAND_GUARD_HPP__

#include <sys/types.h>

#include <atomic>

#include <stout/nothing.hpp>
#include <stout/try.hpp>

namespace command {

// A command as the guard sees it. Times are monotonic, in seconds.
struct Guarded
{
  // Written by the command itself before it executes its program, so that
  // there is no moment at which the agent's death would leave it alone; 0 once
  // it has been reaped.
  std::atomic<pid_t> group;

  double end; // When it is to get SIGTERM; long ago: when the agent dies.
  double grace; // How much later it is to be killed.
  bool told; // It got SIGTERM from the guard.
};


// To be called once, before any command is started.
Try<Nothing> startGuard();

// A place in the guard's list for a command that may run for `seconds` after
// the agent's death, counted from now; it is given back when its `group` is
// set to 0. Null if there are more commands than the list has places.
Guarded* guard(double seconds, double grace);

} // namespace command {

#endif // __COMMAND_GUARD_HPP__
