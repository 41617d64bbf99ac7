// The module's parameters -> what the operator wants.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include <stout/bytes.hpp>

#include "core/environment.hpp"

namespace command {

// Names and values, in order. Known are:
//
//   routes       a route table, or a directory of them (*.json); required,
//                may be repeated
//   spool_dir    where bodies and outputs go that are too large for memory;
//                /tmp if it is not given
//   spool_limit  how much may lie there at once, such as 8GB (the default)
//   environment  NAME=VALUE for all commands, over the tables' own; may be
//                repeated
//   unguarded    allow: routes in a realm for which the agent can authenticate
//                nobody are open to everybody; refuse (the default): to nobody
//   allow_host   a name that an agent which can authenticate nobody may be
//                called by, beside addresses and localhost; may be repeated
using Parameters = std::vector<std::pair<std::string, std::string>>;


struct Settings
{
  std::vector<std::string> routes;
  std::string spoolDirectory = "/tmp";
  Bytes spoolLimit = Gigabytes(8);
  Environment environment;
  bool open = false;
  std::vector<std::string> names;
};


// Adds each mistake to `errors`, in a line.
Settings readSettings(
  const Parameters& parameters, std::vector<std::string>* errors);

} // namespace command {
