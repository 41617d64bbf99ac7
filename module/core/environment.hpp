// The environment of a command: nothing but what is written here, in the
// table and by the host.

#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/route_table.hpp"

namespace command {

using Environment = std::map<std::string, std::string>;

// What all commands of a table share: the table's entries over the defaults,
// the host's `overrides` over both. Names that start with ABI_ are the ABI's
// own; those in `overrides` are left out.
Environment baseEnvironment(const Table& table, const Environment& overrides);

// The environment of one invocation. `deadline` is Unix time in seconds;
// there is no `principal` if the request was not authenticated.
Environment environment(
  Environment base,
  const Route& route,
  const std::string& method,
  const std::string& requestId,
  double deadline,
  const std::optional<std::string>& principal);

} // namespace command {
