// Route tables: the JSON file that says which command line each route runs,
// and how.
//
// A table with any mistake is refused as a whole, with all its mistakes.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/route.hpp"
#include "core/table_errors.hpp"

namespace command {

constexpr int ABI_VERSION = 1;

struct Table
{
  std::string process;
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;
  std::vector<Route> routes;

  // Of each path without its first slash, the methods in the table's order,
  // and indexes of `routes`.
  std::map<std::string, std::vector<std::pair<std::string, size_t>>> paths;
};


// Whether `text` may be the name of a variable of the environment.
bool isVariable(const std::string& text);

// The table in `text`, the bytes of `file` (which only names it in mistakes),
// or all its mistakes.
std::variant<Table, std::vector<Mistake>> parse(
  const std::string& text, const std::string& file);

} // namespace command {
