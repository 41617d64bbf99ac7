// (method, path) -> route, exactly as libprocess finds a handler.
//
// libprocess, src/process.cpp: `ProcessManager::handle` finds the process,
// `ProcessBase::consume` the longest registered prefix of the rest. Methods
// are no matter of libprocess; the host checks them.

#ifndef __COMMAND_CORE_MATCH_HPP__
#define __COMMAND_CORE_MATCH_HPP__

#include <optional>
#include <string>
#include <vector>

#include "core/table.hpp"

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

// `text` with its percent escapes decoded; nothing if one is malformed.
std::optional<std::string> unescape(const std::string& text);

} // namespace command {

#endif // __COMMAND_CORE_MATCH_HPP__
