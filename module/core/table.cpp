#include "core/table.hpp"

#include <algorithm>
#include <set>

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


static void readVersion(Findings* findings, const Value& value)
{
  if (value.kind != Value::INTEGER && value.kind != Value::REAL) {
    findings->integer("/abi", &value, ABI_VERSION, ABI_VERSION);
  } else if (value.kind == Value::REAL || value.integer != ABI_VERSION) {
    findings->add(
      "/abi", "range", "this host speaks version 1 of the ABI only");
  }
}


static string readProcess(Findings* findings, const Value& value)
{
  const string* name = findings->string("/process", &value);
  if (name == nullptr) {
    return "";
  }
  if (
    name->empty() || name->size() > 64 ||
    !consistsOf(*name, string(ALPHANUMERIC) + "_-")) {
    findings->add(
      "/process", "value", "a process id has 1 to 64 letters, digits, _ or -");
  } else if (RESERVED.count(*name) > 0 || startsWith(*name, "__")) {
    findings->add(
      "/process", "reserved",
      "the agent answers \"/" + *name + "\" itself; take another");
  }
  return *name;
}


static vector<string> readCommand(Findings* findings, const Value& value)
{
  vector<string> words;
  const Value* list = findings->list("/command", &value, 1, 64);
  for (size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
    const string place = member("/command", i);
    const string* word = findings->string(place, &list->items[i]);
    if (word == nullptr) {
      continue;
    }
    if (
      i == 0 && (word->empty() ||
                 (word->find('/') != string::npos && (*word)[0] != '/'))) {
      findings->add(
        place, "value",
        "a program is an absolute path, or a name to be found in PATH");
    }
    words.push_back(*word);
  }
  return words;
}


static map<string, string> readEnvironment(
  Findings* findings, const Value& value)
{
  map<string, string> environment;
  if (findings->object("/environment", &value) == nullptr) {
    return environment;
  }
  for (const Member& field : value.members) {
    const string& name = field.name;
    const string place = member("/environment", name);
    if (
      name.empty() || !consistsOf(name, string(ALPHANUMERIC) + "_") ||
      consistsOf(name.substr(0, 1), DIGITS)) {
      findings->add(
        place, "value",
        "a variable's name has letters, digits and _, no digit first");
    } else if (startsWith(name, "ABI_")) {
      findings->add(
        place, "reserved",
        "variables that start with ABI_ are set by the host");
    }
    const string* text = findings->string(place, &field.value);
    if (text != nullptr) {
      environment[name] = *text;
    }
  }
  return environment;
}


static string readPath(
  Findings* findings, const string& place, const Value& value)
{
  const string* path = findings->string(place, &value);
  if (path == nullptr) {
    return "";
  }
  const vector<string> segments = split(*path, '/');
  bool valid =
    segments.size() > 1 && segments[0].empty() && path->size() <= MAX_PATH;
  for (size_t i = 1; i < segments.size(); ++i) {
    // "." can't be reached and "/.." is always 404 in libprocess.
    valid = valid && !segments[i].empty() && segments[i] != "." &&
            !startsWith(segments[i], "..") &&
            consistsOf(segments[i], string(ALPHANUMERIC) + "._~-");
  }
  if (!valid) {
    findings->add(
      place, "value",
      "a path is \"/\" and a segment, once or more often; segments have "
      "letters, digits, and . _ ~ -, are not \".\" and do not start with "
      "\"..\"");
    return "";
  }
  return *path;
}


static vector<string> readMethods(
  Findings* findings, const string& place, const Value& value)
{
  vector<string> methods;
  auto take = [&](const string& inner, const Value& item) {
    const string* method = findings->string(inner, &item);
    if (method == nullptr) {
      return;
    }
    if (METHODS.count(*method) == 0) {
      findings->add(inner, "value", "no such method is routed by libprocess");
    } else if (std::count(methods.begin(), methods.end(), *method) > 0) {
      findings->add(inner, "duplicate-value", "this method is there twice");
    } else {
      methods.push_back(*method);
    }
  };
  if (value.kind == Value::STRING) {
    take(place, value);
  } else if (value.kind != Value::LIST) {
    findings->add(
      place, "type", "this must be a method such as \"GET\", or a list");
  } else if (findings->list(place, &value, 1, METHODS.size()) != nullptr) {
    for (size_t i = 0; i < value.items.size(); ++i) {
      take(member(place, i), value.items[i]);
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
  Findings* findings,
  const string& place,
  const Element& element,
  const Parameter& parameter,
  bool guarded)
{
  const string name = "{" + element.parameter + "}";
  const bool option = !element.prefix.empty();
  if (parameter.type.kind == Type::BOOLEAN && option) {
    findings->add(
      place, "boolean-value",
      "a boolean has no value to write; use " + name + " alone");
  } else if (parameter.type.kind == Type::BOOLEAN || option) {
    if (guarded) {
      findings->add(
        place, "after-end-of-options",
        "after -- this is no option; move it before --");
    }
  } else if (!guarded) {
    findings->add(
      place, "unguarded-value",
      "a value here could become an option; put \"--\" before it, or "
      "--option=" +
        name);
  }
}


static vector<Element> readArgv(
  Findings* findings,
  const string& route,
  const Value& value,
  const map<string, Parameter>& parameters,
  const Value* declared) // Null if nobody can tell what is declared.
{
  vector<Element> elements;
  const string place = member(route, "argv");
  const Value* list = findings->list(place, &value, 0, MAX_ARGUMENTS);
  if (list == nullptr) {
    return elements;
  }
  set<string> used;
  bool guarded = false;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const string inner = member(place, i);
    const string* text = findings->string(inner, &list->items[i]);
    if (text == nullptr) {
      continue;
    }
    if (text->find_first_of("{}") == string::npos) {
      guarded = guarded || *text == "--";
      elements.push_back({*text, ""});
      continue;
    }
    const optional<Element> element = readTemplate(*text);
    if (!element) {
      findings->add(
        inner, "template",
        "this must be a literal without braces, {name}, or --option={name}");
      continue;
    }
    const string& name = element->parameter;
    if (declared != nullptr && declared->find(name) == nullptr) {
      findings->add(
        inner, "undeclared-parameter",
        "no parameter \"" + name + "\" is declared");
      continue;
    }
    used.insert(name);
    elements.push_back(*element);
    const auto parameter = parameters.find(name);
    if (parameter != parameters.end()) {
      checkPosition(findings, inner, *element, parameter->second, guarded);
    }
  }
  for (size_t i = 0; declared != nullptr && i < declared->members.size(); ++i) {
    const string& name = declared->members[i].name;
    if (used.count(name) == 0) {
      findings->add(
        member(member(route, "parameters"), name), "unused-parameter",
        "argv does not use it; add {" + name + "} there or remove it here");
    }
  }
  return elements;
}


// Reads the routes of one table, in order; knows what earlier ones have taken.
class RouteReader
{
public:
  RouteReader(Findings* _findings, const Policy& _defaults)
    : findings(_findings), defaults(_defaults)
  {
  }

  Route read(size_t index, const Value& value)
  {
    static const vector<string> KNOWN = [] {
      vector<string> known = {"path", "method", "argv", "parameters", "help"};
      known.insert(known.end(), POLICY_FIELDS.begin(), POLICY_FIELDS.end());
      return known;
    }();
    const string place = member("/routes", index);
    Route route;
    if (
      findings->object(place, &value, &KNOWN, {"path", "method", "argv"}) ==
      nullptr) {
      return route;
    }
    if (const Value* path = value.find("path")) {
      route.path = readPath(findings, member(place, "path"), *path);
    }
    if (const Value* method = value.find("method")) {
      route.methods = readMethods(findings, member(place, "method"), *method);
    }
    Value none;
    none.kind = Value::OBJECT;
    const Value* given = value.find("parameters");
    const string inner = member(place, "parameters");
    const Value* declared =
      findings->object(inner, given == nullptr ? &none : given);
    if (declared != nullptr) {
      route.parameters = readParameters(findings, inner, *declared);
    }
    if (const Value* argv = value.find("argv")) {
      route.argv = readArgv(findings, place, *argv, route.parameters, declared);
    }
    static_cast<Policy&>(route) = defaults;
    readPolicy(findings, place, value, &route);
    resolve(findings, place, value, &route);
    route.help = readHelp(findings, place, value);
    if (!route.path.empty()) {
      take(index, place, route);
    }
    return route;
  }

private:
  // Reports where a route contradicts an earlier one of the same path.
  void take(size_t index, const string& place, const Route& route)
  {
    bool reported = false;
    for (const string& method : route.methods) {
      const size_t earlier =
        methods.emplace(std::make_pair(route.path, method), index)
          .first->second;
      if (earlier != index && !reported) {
        reported = true;
        findings->add(
          place, "duplicate-route",
          method + " " + route.path + " is route " + std::to_string(earlier) +
            " already; remove one of them");
      }
    }
    const auto& [earlier, realm] =
      realms.emplace(route.path, std::make_pair(index, route.realm))
        .first->second;
    if (realm != route.realm) {
      // libprocess authenticates by path, before it looks at the method.
      findings->add(
        place, "conflict",
        "route " + std::to_string(earlier) +
          " has the same path in another "
          "realm; a path has one realm");
    }
  }

  Findings* findings;
  const Policy& defaults;
  map<pair<string, string>, size_t> methods;
  map<string, pair<size_t, optional<string>>> realms;
};


variant<Table, vector<Problem>> parse(const string& text, const string& file)
{
  static const vector<string> KNOWN = {"abi",         "process",  "command",
                                       "environment", "defaults", "routes"};

  Findings findings(file);
  const Value top = read(text, &findings);
  if (
    findings.count() == 0 && findings.object("", &top) != nullptr &&
    top.find("abi") != nullptr) {
    readVersion(&findings, *top.find("abi"));
  }
  // A table of another version, or no table at all: every further word would
  // mislead.
  if (findings.count() > 0) {
    return findings.sorted();
  }
  findings.object("", &top, &KNOWN, {"abi", "process", "command", "routes"});
  Table table;
  if (const Value* value = top.find("process")) {
    table.process = readProcess(&findings, *value);
  }
  if (const Value* value = top.find("command")) {
    table.command = readCommand(&findings, *value);
  }
  if (const Value* value = top.find("environment")) {
    table.environment = readEnvironment(&findings, *value);
  }
  Policy defaults;
  if (const Value* value = top.find("defaults")) {
    if (findings.object("/defaults", value, &POLICY_FIELDS) != nullptr) {
      readPolicy(&findings, "/defaults", *value, &defaults);
    }
  }
  const Value* routes = top.find("routes");
  if (routes != nullptr) {
    routes = findings.list("/routes", routes, 1, MAX_ROUTES);
  }
  RouteReader reader(&findings, defaults);
  for (size_t i = 0; routes != nullptr && i < routes->items.size(); ++i) {
    Route route = reader.read(i, routes->items[i]);
    route.process = table.process;
    for (const string& method : route.methods) {
      table.paths[route.path.empty() ? "" : route.path.substr(1)].emplace_back(
        method, i);
    }
    table.routes.push_back(std::move(route));
  }
  if (findings.count() > 0) {
    return findings.sorted();
  }
  return table;
}

} // namespace command {
