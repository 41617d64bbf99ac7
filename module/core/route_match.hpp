// (method, path) -> route, exactly as libprocess finds a handler.
//
// libprocess, src/process.cpp: `ProcessManager::handle` finds the process,
// `ProcessBase::consume` the longest registered prefix of the rest. Methods
// are no matter of libprocess; the host checks them.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/route_table.hpp"

namespace command {

struct Match
{
  // The path's routes; null if it has none.
  const std::vector<std::pair<std::string, size_t>>* methods = nullptr;

  // The route for the method; null if the path has none for it.
  const Table* table = nullptr;
  const Route* route = nullptr;

  // What follows the route's path and a slash, as sent.
  std::string rest;
};


// The route for `method` and `path`, which is the target before `?` and `#`.
Match match(
  const std::vector<const Table*>& tables,
  const std::string& method,
  const std::string& path);

} // namespace command {
