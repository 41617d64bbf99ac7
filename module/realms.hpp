// Which realms the agent can authenticate somebody for.

#pragma once

#include <map>
#include <set>
#include <string>

#include <process/future.hpp>

#include "core/route_table.hpp"

namespace command {

// Those of the realms of some tables, which must be served already, that have
// an authenticator. libprocess does not tell; but it refuses whoever asks for
// such a path without credentials, which is what this does.
process::Future<std::set<std::string>> findGuardedRealms(
  const std::map<std::string, Table>& tables);

} // namespace command {
