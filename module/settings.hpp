// The module's parameters, and the tables that they name -> what the operator
// wants.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <stout/bytes.hpp>

#include "core/environment.hpp"
#include "core/route_table.hpp"

namespace command {

// Names and values, in order, as docs/module.md has them.
using Parameters = std::vector<std::pair<std::string, std::string>>;


struct Settings
{
  std::map<std::string, Table> tables; // By their process ids.
  std::string spoolDirectory = "/tmp";
  Bytes spoolLimit = Gigabytes(8);
  Environment environment;
  bool open = false; // This and what follows: as in `Access`.
  std::vector<std::string> names;
};


// Adds each mistake to `errors`, in a line.
Settings readSettings(
  const Parameters& parameters, std::vector<std::string>* errors);

} // namespace command {
