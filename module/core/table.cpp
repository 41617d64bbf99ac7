#include "core/table.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/document.hpp"
#include "core/statuses.hpp"
#include "core/text.hpp"

using std::map;
using std::optional;
using std::pair;
using std::set;
using std::string;
using std::variant;
using std::vector;

namespace command {

constexpr size_t MAX_ROUTES = 1000;
constexpr size_t MAX_PATH = 1024;
constexpr size_t MAX_ARGUMENTS = 1024;

// First segments of paths that libprocess or the agent answers itself: their
// own processes, and the agent's routes, which are reached without its
// process id as well.
static const set<string> RESERVED = {
  "api",     "containerizer", "containers", "files",  "flags",
  "health",  "help",          "logging",    "master", "memory-profiler",
  "metrics", "monitor",       "profiler",   "slave",  "state",
  "system",  "version",
};


static bool isProcess(const string& text)
{
  return !text.empty() && text.size() <= 64 &&
         consistsOf(text, string(ALPHANUMERIC) + "_-");
}


static string readProcess(const Node& node)
{
  const string name =
    node.string(isProcess, "a process id has 1 to 64 letters, digits, _ or -")
      .value_or("");
  node.check(
    RESERVED.count(name) == 0 && !startsWith(name, "__"), "reserved",
    "the agent answers \"/" + name + "\" itself; take another");
  return name;
}


static vector<string> readCommand(const Node& node)
{
  vector<string> words;
  for (const Node& item : node.list(1, 64)) {
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


static map<string, string> readEnvironment(const Node& node)
{
  map<string, string> environment;
  for (const auto& [name, field] : node.fields()) {
    field.check(
      !name.empty() && consistsOf(name, string(ALPHANUMERIC) + "_") &&
        !consistsOf(name.substr(0, 1), DIGITS),
      "value", "a variable's name has letters, digits and _, no digit first");
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
  return text.size() <= MAX_PATH && segments.size() > 1 &&
         segments[0].empty() &&
         std::all_of(
           segments.begin() + 1, segments.end(), [](const string& segment) {
             // "." can't be reached and "/.." is always 404 in libprocess.
             return !segment.empty() && segment != "." &&
                    !startsWith(segment, "..") &&
                    consistsOf(segment, string(ALPHANUMERIC) + "._~-");
           });
}


static vector<string> readMethods(const Node& node)
{
  vector<string> methods;
  for (const Node& item :
       node.isList() ? node.list(1, METHODS.size()) : vector<Node>{node}) {
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


// Splits `{name}` or `--option={name}`; nothing if it is neither.
static optional<Element> readTemplate(const string& text)
{
  const size_t open = text.find('{');
  const size_t close = text.find('}');
  if (
    open == string::npos || close != text.size() - 1 || close < open + 2 ||
    text.find('{', open + 1) != string::npos) {
    return std::nullopt;
  }
  Element element = {text.substr(0, open), text.substr(open + 1)};
  element.parameter.pop_back();
  const string& prefix = element.prefix;
  if (
    !prefix.empty() && !(startsWith(prefix, "--") && prefix.back() == '=' &&
                         isOptionName(prefix.substr(2, prefix.size() - 3)))) {
    return std::nullopt;
  }
  return element;
}


// No table that lets a value become an option is valid: a value stands alone
// only after a literal `--`, or is tied to an option's name by `=`.
static void checkPosition(
  const Node& node,
  const Element& element,
  const Parameter& parameter,
  bool guarded)
{
  const string name = "{" + element.parameter + "}";
  const bool boolean = parameter.type.kind == "boolean";
  const bool option = !element.prefix.empty();
  if (boolean && option) {
    node.check(
      false, "boolean-value",
      "a boolean has no value to write; use " + name + " alone");
  } else if ((boolean || option) && guarded) {
    node.check(
      false, "after-end-of-options",
      "after -- this is no option; move it before --");
  } else if (!boolean && !option && !guarded) {
    node.check(
      false, "unguarded-value",
      "a value here could become an option; put \"--\" before it, or "
      "--option=" +
        name);
  }
}


static vector<Element> readArgv(
  const Node& node,
  const map<string, Parameter>& parameters,
  const optional<map<string, Node>>& declared) // None if nobody can tell.
{
  vector<Element> elements;
  set<string> used;
  bool guarded = false;
  for (const auto& [item, text] : node.strings(0, MAX_ARGUMENTS)) {
    if (text.find_first_of("{}") == string::npos) {
      guarded = guarded || text == "--";
      elements.push_back({text, ""});
      continue;
    }
    const optional<Element> element = readTemplate(text);
    if (!item.check(
          element.has_value(), "template",
          "this must be a literal without braces, {name}, or "
          "--option={name}")) {
      continue;
    }
    const string& name = element->parameter;
    if (!item.check(
          !declared || declared->count(name) > 0, "undeclared-parameter",
          "no parameter \"" + name + "\" is declared")) {
      continue;
    }
    used.insert(name);
    elements.push_back(*element);
    const auto parameter = parameters.find(name);
    if (parameter != parameters.end()) {
      checkPosition(item, *element, parameter->second, guarded);
    }
  }
  for (const auto& [name, parameter] : declared.value_or(map<string, Node>())) {
    parameter.check(
      !node.isList(MAX_ARGUMENTS) || used.count(name) > 0, "unused-parameter",
      "argv does not use it; add {" + name + "} there or remove it here");
  }
  return elements;
}


static Route readRoute(
  const Node& node, const Policy& defaults, const Findings& findings)
{
  Route route;
  if (!node.object()) {
    return route;
  }
  static_cast<Policy&>(route) = defaults;
  assign(
    &route.path,
    node.need("path").string(
      isPath,
      "a path is \"/\" and a segment, once or more often; segments have "
      "letters, digits, and . _ ~ -, are not \".\" and do not start with "
      "\"..\""));
  route.methods = readMethods(node.need("method"));
  const Node parameters = node["parameters"];
  optional<map<string, Node>> declared;
  if (!parameters.exists() || parameters.object()) {
    declared = parameters.fields();
    route.parameters = readParameters(*declared, findings);
  }
  route.argv = readArgv(node.need("argv"), route.parameters, declared);
  readPolicy(node, &route);
  resolve(node, &route);
  route.help = readHelp(node["help"]);
  node.close();
  return route;
}


// Reports where routes contradict an earlier one of the same path.
static void compare(const vector<Route>& routes, const vector<Node>& nodes)
{
  map<pair<string, string>, size_t> methods;
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
        fresh && nodes[i].check(
                   earlier == i, "duplicate-route",
                   method + " " + route.path + " is route " +
                     std::to_string(earlier) + " already; remove one of them");
    }
    // libprocess authenticates by path, before it looks at the method.
    const size_t earlier = paths.emplace(route.path, i).first->second;
    nodes[i].check(
      routes[earlier].realm == route.realm, "conflict",
      "route " + std::to_string(earlier) +
        " has the same path in another realm; a path has one realm");
  }
}


variant<Table, vector<Problem>> parse(const string& text, const string& file)
{
  Findings findings(file);
  const nlohmann::json json = read(text, &findings);
  const Node top(&findings, &json);
  if (findings.count() == 0 && top.object()) {
    top["abi"].integer(ABI_VERSION, ABI_VERSION);
  }
  // A table of another version, or no table at all: every further word would
  // mislead.
  if (findings.count() > 0) {
    return findings.sorted();
  }
  top.need("abi");
  top["$schema"].string(); // For editors.
  Table table;
  table.process = readProcess(top.need("process"));
  table.command = readCommand(top.need("command"));
  table.environment = readEnvironment(top["environment"]);
  const Node given = top["defaults"];
  Policy defaults;
  readPolicy(given, &defaults);
  given.close();
  const vector<Node> routes = top.need("routes").list(1, MAX_ROUTES);
  for (const Node& node : routes) {
    const Route route = readRoute(node, defaults, findings);
    for (const string& method : route.methods) {
      table.paths[route.path.empty() ? "" : route.path.substr(1)].emplace_back(
        method, table.routes.size());
    }
    table.routes.push_back(route);
    table.routes.back().process = table.process;
  }
  compare(table.routes, routes);
  top.close();
  if (findings.count() > 0) {
    return findings.sorted();
  }
  return table;
}

} // namespace command {
