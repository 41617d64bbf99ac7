#include "core/argv.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/match.hpp"
#include "core/text.hpp"

using std::map;
using std::optional;
using std::string;
using std::unordered_map;
using std::variant;
using std::vector;

namespace command {

static bool isInteger(const Type& type, const string& value)
{
  const string digits = startsWith(value, "-") ? value.substr(1) : value;
  if (
    digits.empty() || digits.size() > 16 || !consistsOf(digits, DIGITS) ||
    (digits[0] == '0' && value != "0")) {
    return false;
  }
  const int64_t number = std::stoll(value);
  return number >= type.minimum && number <= type.maximum;
}


// What is wrong with a value of a string, empty if nothing is.
static string judgeString(const Type& type, const string& value)
{
  const auto size = static_cast<int64_t>(value.size());
  if (size < type.minimum || size > type.maximum) {
    return "must have " + std::to_string(type.minimum) + " to " +
           std::to_string(type.maximum) + " bytes";
  }
  if (!std::all_of(value.begin(), value.end(), [&type](unsigned char c) {
        return type.characters.test(c);
      })) {
    return type.unicode ? "has a control character" :
                          "has a character that is not allowed";
  }
  if (findInvalid(value) != string::npos) {
    return "must be UTF-8";
  }
  if (
    !type.prefixes.empty() &&
    std::none_of(
      type.prefixes.begin(), type.prefixes.end(),
      [&](const string& prefix) { return startsWith(value, prefix); })) {
    return "must start with one of: " + join(type.prefixes, ", ");
  }
  return "";
}


// Adds the argv elements that `value` stands for, none for a boolean that is
// false. Returns what is wrong with it, empty if nothing is.
static string judge(
  const Type& type, const string& value, vector<string>* elements)
{
  const string bounds =
    std::to_string(type.minimum) + " to " + std::to_string(type.maximum);
  if (type.kind == "boolean") {
    if (value == "true" || value == "1" || value.empty()) {
      elements->push_back(type.flag);
    } else if (value != "false" && value != "0") {
      return "must be true, false, 1, 0 or empty";
    }
    return "";
  }
  if (type.kind == "list") {
    const vector<string> items = split(value, ',', type.maximum);
    const auto size = static_cast<int64_t>(items.size());
    if (size < type.minimum || size > type.maximum) {
      return "must have " + bounds + " items between commas";
    }
    string unfit;
    for (size_t i = 0; i < items.size() && unfit.empty(); ++i) {
      unfit = judge(type.items[0], items[i], elements);
    }
    return unfit;
  }
  elements->push_back(value);
  if (type.kind == "integer") {
    return isInteger(type, value) ? "" :
                                    "must be a whole number from " + bounds;
  }
  if (type.kind == "enum") {
    return std::count(type.values.begin(), type.values.end(), value) > 0 ?
             "" :
             "must be one of: " + join(type.values, ", ");
  }
  return judgeString(type, value);
}


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
  std::transform(
    known.begin(), known.end(), std::back_inserter(names), quoteName);
  return Refusal{
    "unknown-parameter", "There is no parameter " + quoteName(*unknown) +
                           " here; there are: " + join(names, ", ") + "."};
}


variant<Arguments, Refusal> build(
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
        "bad-parameter", "The parameter " + quoteName(inPath->first) +
                           " has a malformed escape or a NUL byte."};
    }
    given[inPath->first] = *value;
  }
  Arguments result = {{}, route.timeout};
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
          "bad-parameter",
          "The parameter " + quoteName(name) + " " + unfit + "."};
      }
    } else if (parameter.required) {
      return Refusal{
        "missing-parameter",
        "The parameter " + quoteName(name) + " is required."};
    }
  }
  for (const Element& element : route.argv) {
    if (element.parameter.empty()) {
      result.words.push_back(element.prefix);
    } else {
      for (const string& value : values[element.parameter]) {
        result.words.push_back(element.prefix + value);
      }
    }
  }
  return result;
}

} // namespace command {
