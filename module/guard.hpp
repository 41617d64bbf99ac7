// Ends commands when the agent, which would have ended them, has died.
//
// The guard is a process of its own, forked once when the module starts. What
// it has to know later is in memory that it shares with the agent.
//
// Sources: pidfd_open(2), proc(5).

#pragma once

#include <stdint.h>

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

  uint64_t began; // At about that time, in ticks from the system's start.
  double end; // When it is to get SIGTERM; long ago: when the agent dies.
  double grace; // How much later it is to be killed.
  bool terminated; // It got SIGTERM from the guard.
};


// To be called once, before any command is started.
Try<Nothing> startGuard();

// A place in the guard's list for a command that may run for `seconds` after
// the agent's death, counted from now; it is given back when its `group` is
// set to 0. Null if there are more commands than the list has places.
Guarded* guard(double seconds, double grace);

bool isGuarded(pid_t pid);

// Who becomes the parent of the orphans that a command leaves. The kernel does
// not tell which ancestor has asked for them, but the guard is such an orphan.
// 0 if the guard is gone.
pid_t parentOfOrphans();

} // namespace command {
