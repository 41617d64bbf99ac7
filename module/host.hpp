// The parameters of the module -> the processes that serve its tables.

#ifndef __COMMAND_HOST_HPP__
#define __COMMAND_HOST_HPP__

#include <string>
#include <utility>
#include <vector>

#include <stout/none.hpp>
#include <stout/nothing.hpp>
#include <stout/option.hpp>
#include <stout/try.hpp>

namespace command {

// Names and values, in order. Known are:
//
//   routes       a route table, or a directory of them (*.json); required,
//                may be repeated
//   spool_dir    where bodies and outputs go that are too large for memory;
//                /tmp if it is not given
//   spool_limit  how much may lie there at once, such as 8GB (the default)
//   environment  NAME=VALUE for all commands, over the tables' own; may be
//                repeated
using Parameters = std::vector<std::pair<std::string, std::string>>;


// Starts to serve, until the program's end; not before the process `after` of
// this program has been initialized, if one is given. Fails with every mistake
// there is, one in each line, and then serves nothing.
Try<Nothing> serve(
  const Parameters& parameters, const Option<std::string>& after = None());

// Makes SIGTERM and SIGINT end the program in order: every command is ended as
// a time-out does, new ones are refused, and when all are answered `last` is
// called with the signal's number. By then the program's own dispositions of
// both signals are in force again; the second signal finds the default ones.
void endInOrder(void (*last)(int));

} // namespace command {

#endif // __COMMAND_HOST_HPP__
