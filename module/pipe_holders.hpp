// Processes that left their invocation's process group but still hold its
// pipes, which is how they are found. Descriptors can be handed over, so only
// who descends from the command, as far as the kernel tells, is killed.
// Everybody else is left alone, and named in the log.
//
// Sources: proc(5), pidfd_open(2), pidfd_send_signal(2),
// PR_SET_CHILD_SUBREAPER(2const).

#pragma once

#include <stdint.h>

#include <set>
#include <string>

namespace command {

// Who may hold the pipes of one command that has ended.
struct Search
{
  std::set<std::string> pipes; // As /proc/PID/fd names them.
  uint64_t began = 0; // The command, in clock ticks from the system's start.
  std::string requestId; // For the log.

  // Whether those that began before the command are looked at too, and all
  // who are left alone are named in the log.
  bool last = false;
};


// A pipe as /proc/PID/fd names both of its ends.
std::string pipeName(int fd);

// Looks soon, on a thread of its own: that takes a while where there are
// thousands of processes. All who want to look at one time share one look.
void killHolders(const Search& search);

} // namespace command {
