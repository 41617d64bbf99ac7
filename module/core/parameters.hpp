// The `parameters` of a route: their declarations, as read from a table.

#pragma once

#include <map>
#include <string>

#include "core/table_reader.hpp"
#include "core/value_types.hpp"

namespace command {

// Every query may ask for a shorter time-out; no parameter has that name.
constexpr char TIMEOUT[] = "timeout";

struct Parameter
{
  bool inPath = false; // The rest of the path, not a key of the query.
  bool required = false;
  Type type;
  std::string help;
};


// The declarations of some parameters; a broken one is left out.
std::map<std::string, Parameter> readParameters(
  const std::map<std::string, TableReader>& declared, const Mistakes& mistakes);

// A field `help`, empty if there is none.
std::string readHelp(const TableReader& reader);

// Whether `text` is what may stand between `--` and `=`.
bool isOptionName(const std::string& text);

} // namespace command {
