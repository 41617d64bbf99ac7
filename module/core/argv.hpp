// (route, query, rest of the path) -> arguments, or the refusal that answers
// the request.
//
// Of several mistakes the one named is the path first, then unknown keys, the
// time-out, then parameters, each in the order of their bytes.

#pragma once

#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/route.hpp"

namespace command {

// What to run: arguments to follow the table's command, and the time-out.
struct CommandLine
{
  std::vector<std::string> arguments;
  double timeout; // Seconds.
};


// A request that starts no command.
struct Refusal
{
  std::string reason; // A key of `REASONS`.
  std::string detail; // What is wrong and what would be right.
};


// `query` is decoded, `rest` is what `match` left over of the path.
std::variant<CommandLine, Refusal> build(
  const Route& route,
  const std::unordered_map<std::string, std::string>& query,
  const std::string& rest);

} // namespace command {
