// The `argv` of a route: literals, `{name}` and `--option={name}`, as read
// from a table.
//
// No value becomes an option: it stands alone only after a literal `--`, or is
// tied to an option's name by `=`.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/parameters.hpp"
#include "core/table_reader.hpp"

namespace command {

// A literal, or `prefix` and the value of a parameter, once for each of its
// items.
struct Element
{
  std::string prefix;
  std::string parameter; // Empty for a literal.
};


// `declared` has all parameters, or nothing if nobody can tell which there
// are; `parameters` has those without mistakes of their own.
std::vector<Element> readArgv(
  const TableReader& reader,
  const std::map<std::string, Parameter>& parameters,
  const std::optional<std::map<std::string, TableReader>>& declared);

} // namespace command {
