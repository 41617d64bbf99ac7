// A route of a table: which command line answers a request, and how.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/argv_template.hpp"
#include "core/parameters.hpp"
#include "core/route_policy.hpp"

namespace command {

struct Route : Policy
{
  std::string process;
  std::string path;
  std::vector<std::string> methods;
  std::vector<Element> argv;
  std::map<std::string, Parameter> parameters;
  std::string help;
};

} // namespace command {
