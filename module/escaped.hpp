// Processes that left their invocation's process group but still hold its
// pipes, which is how they are found.
//
// Sources: proc(5), pidfd_open(2), pidfd_send_signal(2).

#ifndef __COMMAND_ESCAPED_HPP__
#define __COMMAND_ESCAPED_HPP__

#include <vector>

namespace command {

// Kills every other process that could still write into one of these pipes,
// of which the read ends are given: descendants of their command that left its
// process group.
void killHolders(const std::vector<int>& pipes);

} // namespace command {

#endif // __COMMAND_ESCAPED_HPP__
