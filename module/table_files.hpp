// The files of route tables: which there are, and what is in them.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/route_table.hpp"

namespace command {

// The tables in some files, or directories of files *.json, by their process
// ids. Adds each mistake to `errors`, in a line.
std::map<std::string, Table> readTables(
  const std::vector<std::string>& routes, std::vector<std::string>* errors);

} // namespace command {
