// The parameters of the module -> the processes that serve its tables.

#pragma once

#include <string>

#include <stout/none.hpp>
#include <stout/nothing.hpp>
#include <stout/option.hpp>
#include <stout/try.hpp>

#include "settings.hpp"

namespace command {

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
