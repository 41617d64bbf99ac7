// The one line that each invocation leaves in the agent's log.

#ifndef __COMMAND_LOG_LINE_HPP__
#define __COMMAND_LOG_LINE_HPP__

#include <sys/types.h>

#include <string>

#include <stout/option.hpp>

#include "core/outcome.hpp"
#include "core/route.hpp"

namespace command {

std::string logLine(
  const std::string& method,
  const Route& route,
  const Option<std::string>& principal,
  pid_t pid,
  const Outcome& outcome);

} // namespace command {

#endif // __COMMAND_LOG_LINE_HPP__
