#include "core/route_table.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/formatting.hpp"
#include "core/status_names.hpp"
#include "core/strict_json.hpp"

using std::map;
using std::optional;
using std::set;
using std::string;
using std::vector;

namespace command {

constexpr size_t MAX_ROUTES = 1000;
constexpr size_t MAX_PATH_BYTES = 1024;

// First segments of paths that libprocess or the agent answers itself: their
// own processes, and the agent's routes, which are reached without its
// process id as well.
static const set<string> RESERVED = {
  "api",     "containerizer", "containers", "files",  "flags",
  "health",  "help",          "logging",    "master", "memory-profiler",
  "metrics", "monitor",       "profiler",   "slave",  "state",
  "system",  "version",
};


static string readProcess(const TableReader& reader)
{
  auto fits = [](const string& text) {
    return !text.empty() && text.size() <= 64 &&
           consistsOf(text, string(ALPHANUMERIC) + "_-");
  };
  const string name =
    reader.string(fits, "a process id has 1 to 64 letters, digits, _ or -")
      .value_or("");
  reader.check(
    RESERVED.count(name) == 0 && !startsWith(name, "__"), "reserved",
    "the agent answers \"/" + name + "\" itself; take another");
  return name;
}


static vector<string> readCommand(const TableReader& reader)
{
  vector<string> words;
  for (const TableReader& item : reader.list(1, 64)) {
    const string word = item.string().value_or("/");
    const size_t slash = word.find('/');
    item.check(
      !words.empty() ||
        (!word.empty() && (slash == 0 || slash == string::npos)),
      "value", "a program is an absolute path, or a name to be found in PATH");
    words.push_back(word);
  }
  return words;
}


bool isVariable(const string& text)
{
  return !text.empty() && !consistsOf(text.substr(0, 1), DIGITS) &&
         consistsOf(text, string(ALPHANUMERIC) + "_");
}


static map<string, string> readEnvironment(const TableReader& reader)
{
  map<string, string> environment;
  for (const auto& [name, field] : reader.fields()) {
    field.check(
      isVariable(name), "value",
      "a variable's name has letters, digits and _, no digit first");
    field.check(
      !startsWith(name, "ABI_"), "reserved",
      "variables that start with ABI_ are set by the host");
    assign(&environment[name], field.string());
  }
  return environment;
}


static bool isPath(const string& text)
{
  const vector<string> segments = split(text, '/');
  return text.size() <= MAX_PATH_BYTES && segments.size() > 1 &&
         segments[0].empty() &&
         std::all_of(
           segments.begin() + 1, segments.end(), [](const string& segment) {
             // "." can't be reached and "/.." is always 404 in libprocess.
             return !segment.empty() && segment != "." &&
                    !startsWith(segment, "..") &&
                    consistsOf(segment, string(ALPHANUMERIC) + "._~-");
           });
}


static vector<string> readMethods(const TableReader& reader)
{
  vector<string> methods;
  for (const TableReader& item : reader.isList() ?
                                   reader.list(1, METHODS.size()) :
                                   vector<TableReader>{reader}) {
    const optional<string> method = item.string();
    if (
      method &&
      item.check(
        METHODS.count(*method) > 0, "value",
        "no such method is routed by libprocess") &&
      item.check(
        std::count(methods.begin(), methods.end(), *method) == 0,
        "duplicate-value", "this method is there twice")) {
      methods.push_back(*method);
    }
  }
  return methods;
}


static Route readRoute(
  const TableReader& reader, const Policy& defaults, const Mistakes& mistakes)
{
  Route route;
  if (!reader.object()) {
    return route;
  }
  static_cast<Policy&>(route) = defaults;
  assign(
    &route.path,
    reader.need("path").string(
      isPath,
      "a path is \"/\" and a segment, once or more often; segments have "
      "letters, digits, and . _ ~ -, are not \".\" and do not start with "
      "\"..\""));
  route.methods = readMethods(reader.need("method"));
  const TableReader parameters = reader["parameters"];
  optional<map<string, TableReader>> declared;
  if (!parameters.exists() || parameters.object()) {
    declared = parameters.fields();
    route.parameters = readParameters(*declared, mistakes);
  }
  route.argv = readArgv(reader.need("argv"), route.parameters, declared);
  readPolicy(reader, &route);
  resolve(reader, &route);
  route.help = readHelp(reader["help"]);
  reader.close();
  return route;
}


// Reports where routes contradict an earlier one of the same path.
static void compare(
  const vector<Route>& routes, const vector<TableReader>& readers)
{
  map<std::pair<string, string>, size_t> methods;
  map<string, size_t> paths;
  for (size_t i = 0; i < routes.size(); ++i) {
    const Route& route = routes[i];
    if (route.path.empty()) {
      continue;
    }
    bool fresh = true; // One word about a route is enough.
    for (const string& method : route.methods) {
      const size_t earlier =
        methods.emplace(std::make_pair(route.path, method), i).first->second;
      fresh =
        fresh && readers[i].check(
                   earlier == i, "duplicate-route",
                   method + " " + route.path + " is route " +
                     std::to_string(earlier) + " already; remove one of them");
    }
    // libprocess authenticates by path, before it looks at the method.
    const size_t earlier = paths.emplace(route.path, i).first->second;
    readers[i].check(
      routes[earlier].realm == route.realm, "conflict",
      "route " + std::to_string(earlier) +
        " has the same path in another realm; a path has one realm");
  }
}


std::variant<Table, vector<Mistake>> parse(
  const string& text, const string& file)
{
  Mistakes mistakes(file);
  const nlohmann::json json = read(text, &mistakes);
  const TableReader top(&mistakes, &json);
  if (mistakes.count() == 0 && top.object()) {
    top["abi"].integer(ABI_VERSION, ABI_VERSION);
  }
  // A table of another version, or no table at all: every further word would
  // mislead.
  if (mistakes.count() > 0) {
    return mistakes.sorted();
  }
  top.need("abi");
  top["$schema"].string(); // For editors.
  Table table;
  table.process = readProcess(top.need("process"));
  table.command = readCommand(top.need("command"));
  table.environment = readEnvironment(top["environment"]);
  const TableReader given = top["defaults"];
  Policy defaults;
  readPolicy(given, &defaults);
  given.close();
  const vector<TableReader> routes = top.need("routes").list(1, MAX_ROUTES);
  for (const TableReader& reader : routes) {
    const Route route = readRoute(reader, defaults, mistakes);
    for (const string& method : route.methods) {
      table.paths[route.path.empty() ? "" : route.path.substr(1)].emplace_back(
        method, table.routes.size());
    }
    table.routes.push_back(route);
    table.routes.back().process = table.process;
  }
  compare(table.routes, routes);
  top.close();
  if (mistakes.count() > 0) {
    return mistakes.sorted();
  }
  return table;
}

} // namespace command {
