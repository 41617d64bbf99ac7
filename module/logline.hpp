// The one line that each invocation leaves in the agent's log.

#ifndef __COMMAND_LOGLINE_HPP__
#define __COMMAND_LOGLINE_HPP__

#include <sys/types.h>

#include <string>

#include <stout/option.hpp>

#include "core/answer.hpp"
#include "core/table.hpp"

namespace command {

std::string logLine(
  const std::string& method,
  const Route& route,
  const Option<std::string>& principal,
  pid_t pid,
  const Outcome& outcome);

} // namespace command {

#endif // __COMMAND_LOGLINE_HPP__
