// The one line that each invocation leaves in the agent's log.

#pragma once

#include <sys/types.h>

#include <string>

#include "core/outcome.hpp"

namespace command {

struct CommandRequest;

std::string logLine(
  const CommandRequest& request, pid_t pid, const Outcome& outcome);

} // namespace command {
