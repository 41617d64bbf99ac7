#include "settings.hpp"

#include <stout/try.hpp>

#include "core/formatting.hpp"

using std::string;
using std::vector;

namespace command {

static bool isVariable(const string& name)
{
  return !name.empty() && !consistsOf(name.substr(0, 1), DIGITS) &&
         consistsOf(name, string(ALPHANUMERIC) + "_");
}


// Sets what one parameter says; returns what is wrong with it, if anything is.
static string read(const string& name, const string& value, Settings* settings)
{
  if (name == "routes") {
    settings->routes.push_back(value);
    return "";
  }
  if (name == "spool_dir") {
    settings->spoolDirectory = value;
    return "";
  }
  if (name == "spool_limit") {
    const Try<Bytes> limit = Bytes::parse(value);
    if (limit.isError() || limit.get() == 0) {
      return "a size such as 8GB or 512MB, above 0";
    }
    settings->spoolLimit = limit.get();
    return "";
  }
  if (name == "environment") {
    const vector<string> parts = split(value, '=', 1);
    if (parts.size() < 2 || !isVariable(parts[0])) {
      return "NAME=VALUE, where a name has letters, digits and _";
    }
    if (startsWith(parts[0], "ABI_")) {
      return "variables that start with ABI_ are set by the host";
    }
    settings->environment[parts[0]] = parts[1];
    return "";
  }
  if (name == "unguarded") {
    settings->open = value == "allow";
    return value == "allow" || value == "refuse" ? "" : "allow or refuse";
  }
  if (name == "allow_host") {
    settings->names.push_back(value);
    return value.empty() || value.find_first_of(":/ ") != string::npos ?
             "a name without a port, such as agent-1.example" :
             "";
  }
  return "there is no such parameter; there are: routes, spool_dir, "
         "spool_limit, environment, unguarded, allow_host";
}


Settings readSettings(const Parameters& parameters, vector<string>* errors)
{
  Settings settings;
  for (const auto& [name, value] : parameters) {
    const string reason = read(name, value, &settings);
    if (!reason.empty()) {
      errors->push_back("parameter " + name + " '" + value + "': " + reason);
    }
  }
  if (settings.routes.empty()) {
    errors->push_back(
      "parameter routes: a route table, or a directory of them, is required");
  }
  return settings;
}

} // namespace command {
