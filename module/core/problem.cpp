#include "core/problem.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/text.hpp"

using std::optional;
using std::vector;

namespace command {

std::string Problem::text() const
{
  std::string result;
  for (const char c :
       file + ": " + (place.empty() ? "/" : place) + ": " + reason) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      char buffer[8];
      snprintf(buffer, sizeof(buffer), "\\x%02x", c);
      result += buffer;
    } else {
      result += c;
    }
  }
  return result;
}


std::string member(const std::string& place, const std::string& key)
{
  std::string result = place + "/";
  for (const char c : key) {
    result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return result;
}


std::string member(const std::string& place, size_t index)
{
  return place + "/" + std::to_string(index);
}


void Findings::add(
  const std::string& place, const std::string& code, const std::string& reason)
{
  problems.push_back({file, place, code, reason});
}


// Pointers are compared token by token; indexes come before names, and are
// compared as numbers.
static vector<std::pair<size_t, std::string>> order(const std::string& place)
{
  vector<std::pair<size_t, std::string>> result;
  for (const std::string& token : split(place, '/')) {
    const bool index = !token.empty() && consistsOf(token, DIGITS);
    result.emplace_back(index ? token.size() : SIZE_MAX, token);
  }
  return result;
}


vector<Problem> Findings::sorted() const
{
  vector<Problem> result = problems;
  std::stable_sort(
    result.begin(), result.end(), [](const Problem& a, const Problem& b) {
      return std::make_pair(order(a.place), a.code) <
             std::make_pair(order(b.place), b.code);
    });
  return result;
}


void Findings::wrongType(
  const std::string& place, const Value* value, const std::string& wanted)
{
  static const char* const NAMES[] = {"null",     "true or false", "a number",
                                      "a number", "a string",      "a list",
                                      "an object"};
  add(place, "type", "this must be " + wanted + ", not " + NAMES[value->kind]);
}


const Value* Findings::object(
  const std::string& place,
  const Value* value,
  const vector<std::string>* known,
  const vector<std::string>& required)
{
  if (value->kind != Value::OBJECT) {
    wrongType(place, value, "an object");
    return nullptr;
  }
  for (const Member& field : value->members) {
    if (
      known != nullptr &&
      std::find(known->begin(), known->end(), field.name) == known->end()) {
      add(
        member(place, field.name), "unknown-field",
        "no such field; here are: " + join(*known, ", "));
    }
  }
  for (const std::string& name : required) {
    if (value->find(name) == nullptr) {
      add(place, "missing-field", "the field \"" + name + "\" is missing");
    }
  }
  return value;
}


const Value* Findings::list(
  const std::string& place, const Value* value, size_t minimum, size_t maximum)
{
  if (value->kind != Value::LIST) {
    wrongType(place, value, "a list");
    return nullptr;
  }
  if (value->items.size() < minimum || value->items.size() > maximum) {
    add(
      place, "range",
      "a list of " + std::to_string(minimum) + " to " +
        std::to_string(maximum) + " elements, not " +
        std::to_string(value->items.size()));
    return nullptr;
  }
  return value;
}


const std::string* Findings::string(
  const std::string& place, const Value* value)
{
  if (value->kind != Value::STRING) {
    wrongType(place, value, "a string");
    return nullptr;
  }
  if (value->text.find('\0') != std::string::npos) {
    add(place, "value", "a NUL character can't be passed to a command");
    return nullptr;
  }
  return &value->text;
}


const std::string* Findings::choice(
  const std::string& place,
  const Value* value,
  const vector<std::string>& choices)
{
  const std::string* text = string(place, value);
  if (
    text != nullptr &&
    std::find(choices.begin(), choices.end(), *text) == choices.end()) {
    add(place, "value", "this must be one of: " + join(choices, ", "));
    return nullptr;
  }
  return text;
}


optional<bool> Findings::boolean(const std::string& place, const Value* value)
{
  if (value->kind != Value::BOOLEAN) {
    wrongType(place, value, "true or false");
    return std::nullopt;
  }
  return value->boolean;
}


optional<int64_t> Findings::integer(
  const std::string& place,
  const Value* value,
  int64_t minimum,
  int64_t maximum)
{
  if (value->kind != Value::INTEGER && value->kind != Value::REAL) {
    wrongType(place, value, "a number");
    return std::nullopt;
  }
  if (
    value->kind == Value::REAL || value->integer < minimum ||
    value->integer > maximum) {
    add(
      place, "range",
      "this must be a whole number from " + std::to_string(minimum) + " to " +
        std::to_string(maximum));
    return std::nullopt;
  }
  return value->integer;
}


optional<double> Findings::seconds(
  const std::string& place, const Value* value, int maximum, bool zero)
{
  if (value->kind != Value::INTEGER && value->kind != Value::REAL) {
    wrongType(place, value, "a number of seconds");
    return std::nullopt;
  }
  const double seconds = value->kind == Value::REAL ?
                           value->real :
                           static_cast<double>(value->integer);
  if (!(seconds >= 0.001 && seconds <= maximum) && !(zero && seconds == 0)) {
    add(
      place, "range",
      std::string("this must be ") + (zero ? "0, or " : "") + "from 0.001 to " +
        std::to_string(maximum) + " seconds");
    return std::nullopt;
  }
  return seconds;
}

} // namespace command {
