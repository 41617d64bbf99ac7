// The one line that each invocation leaves in the agent's log.

#pragma once

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
