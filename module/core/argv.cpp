#include "core/argv.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/formatting.hpp"
#include "core/percent_encoding.hpp"

using std::map;
using std::optional;
using std::string;
using std::unordered_map;
using std::vector;

namespace command {

// The number of seconds that a query asks for, nothing if it is malformed.
static optional<double> readTimeout(const string& value)
{
  const vector<string> parts = split(value, '.', 1);
  auto isNumber = [](const string& text, size_t length) {
    return !text.empty() && text.size() <= length && consistsOf(text, DIGITS);
  };
  if (!isNumber(parts[0], 6) || (parts.size() > 1 && !isNumber(parts[1], 3))) {
    return std::nullopt;
  }
  const double seconds = std::stod(value);
  return seconds > 0 ? optional<double>(seconds) : std::nullopt;
}


static optional<Refusal> findUnknown(
  const Route& route, const unordered_map<string, string>& query)
{
  std::set<string> known = {TIMEOUT};
  for (const auto& [name, parameter] : route.parameters) {
    if (!parameter.inPath) {
      known.insert(name);
    }
  }
  const string* unknown = nullptr;
  for (const auto& [key, value] : query) {
    if (known.count(key) == 0 && (unknown == nullptr || key < *unknown)) {
      unknown = &key;
    }
  }
  if (unknown == nullptr) {
    return std::nullopt;
  }
  vector<string> names;
  std::transform(known.begin(), known.end(), std::back_inserter(names), quote);
  return Refusal{
    "unknown-parameter", "There is no parameter " + quote(*unknown) +
                           " here; there are: " + join(names, ", ") + "."};
}


std::variant<CommandLine, Refusal> build(
  const Route& route,
  const unordered_map<string, string>& query,
  const string& rest)
{
  const auto inPath = std::find_if(
    route.parameters.begin(), route.parameters.end(),
    [](const auto& entry) { return entry.second.inPath; });
  if (!rest.empty() && inPath == route.parameters.end()) {
    return Refusal{
      "unknown-path", "Nothing is under /" + route.process + route.path +
                        "; leave out what follows."};
  }
  if (const optional<Refusal> refusal = findUnknown(route, query)) {
    return *refusal;
  }
  map<string, string> given(query.begin(), query.end());
  if (!rest.empty()) {
    const optional<string> value = unescape(rest);
    if (!value || value->find('\0') != string::npos) {
      return Refusal{
        "bad-parameter", "The parameter " + quote(inPath->first) +
                           " has a malformed escape or a NUL byte."};
    }
    given[inPath->first] = *value;
  }
  CommandLine result = {{}, route.timeout};
  const auto asked = given.find(TIMEOUT);
  if (asked != given.end()) {
    const optional<double> seconds = readTimeout(asked->second);
    if (!seconds) {
      return Refusal{
        "bad-parameter",
        "The parameter timeout must be a number of seconds such as 30 or 0.5, "
        "above 0."};
    }
    result.timeout = std::min(result.timeout, *seconds);
  }
  map<string, vector<string>> values;
  for (const auto& [name, parameter] : route.parameters) {
    const auto value = given.find(name);
    if (value != given.end()) {
      const string unfit = judge(parameter.type, value->second, &values[name]);
      if (!unfit.empty()) {
        return Refusal{
          "bad-parameter", "The parameter " + quote(name) + " " + unfit + "."};
      }
    } else if (parameter.required) {
      return Refusal{
        "missing-parameter", "The parameter " + quote(name) + " is required."};
    }
  }
  for (const Element& element : route.argv) {
    if (element.parameter.empty()) {
      result.arguments.push_back(element.prefix);
    } else {
      for (const string& value : values[element.parameter]) {
        result.arguments.push_back(element.prefix + value);
      }
    }
  }
  return result;
}

} // namespace command {
