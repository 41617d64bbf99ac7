#include "core/node.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/text.hpp"

using std::map;
using std::nullopt;
using std::optional;
using std::to_string;
using std::vector;

using nlohmann::json;

namespace command {

void Node::add(const std::string& code, const std::string& reason) const
{
  findings->add(place, code, reason);
}


bool Node::isNull() const { return exists() && value->is_null(); }


bool Node::isList(size_t maximum) const
{
  return exists() && value->is_array() && value->size() <= maximum;
}


bool Node::is(bool (json::*fits)() const, const char* wanted) const
{
  if (exists() && !(value->*fits)()) {
    add(
      "type",
      std::string("this must be ") + wanted + ", not " + value->type_name());
  }
  return exists() && (value->*fits)();
}


Node Node::operator[](const std::string& name) const
{
  const bool has = exists() && value->is_object() && value->contains(name);
  return Node(findings, has ? &(*value)[name] : nullptr, member(place, name));
}


bool Node::object(const Names& known, const Names& required) const
{
  if (!is(&json::is_object, "an object")) {
    return false;
  }
  for (const auto& [name, field] : fields()) {
    if (
      !known.empty() &&
      std::find(known.begin(), known.end(), name) == known.end()) {
      field.add(
        "unknown-field", "no such field; here are: " + join(known, ", "));
    }
  }
  for (const std::string& name : required) {
    if (!value->contains(name)) {
      add("missing-field", "the field \"" + name + "\" is missing");
    }
  }
  return true;
}


map<std::string, Node> Node::fields() const
{
  map<std::string, Node> result;
  for (auto field = value->begin(); field != value->end(); ++field) {
    result.emplace(field.key(), (*this)[field.key()]);
  }
  return result;
}


vector<Node> Node::list(size_t minimum, size_t maximum) const
{
  vector<Node> result;
  if (!is(&json::is_array, "a list")) {
    return result;
  }
  if (value->size() < minimum || value->size() > maximum) {
    add(
      "range", "a list of " + to_string(minimum) + " to " + to_string(maximum) +
                 " elements, not " + to_string(value->size()));
    return result;
  }
  for (size_t i = 0; i < value->size(); ++i) {
    result.emplace_back(findings, &(*value)[i], member(place, i));
  }
  return result;
}


optional<std::string> Node::string() const
{
  if (!is(&json::is_string, "a string")) {
    return nullopt;
  }
  const auto text = value->get<std::string>();
  if (text.find('\0') != std::string::npos) {
    add("value", "a NUL character can't be passed to a command");
    return nullopt;
  }
  return text;
}


optional<std::string> Node::choice(const Names& choices) const
{
  const optional<std::string> text = string();
  if (
    text && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
    add("value", "this must be one of: " + join(choices, ", "));
    return nullopt;
  }
  return text;
}


optional<bool> Node::boolean() const
{
  return is(&json::is_boolean, "true or false") ?
           optional<bool>(value->get<bool>()) :
           nullopt;
}


optional<int64_t> Node::integer(int64_t minimum, int64_t maximum) const
{
  if (!is(&json::is_number, "a number")) {
    return nullopt;
  }
  // Exact, as all bounds are within `MAX_INTEGER`.
  const auto number = value->get<double>();
  if (
    !value->is_number_integer() || number < static_cast<double>(minimum) ||
    number > static_cast<double>(maximum)) {
    add(
      "range",
      "this must be " + (minimum == maximum ?
                           to_string(minimum) :
                           "a whole number from " + to_string(minimum) +
                             " to " + to_string(maximum)));
    return nullopt;
  }
  return value->get<int64_t>();
}


optional<double> Node::seconds(int maximum, bool zero) const
{
  if (!is(&json::is_number, "a number of seconds")) {
    return nullopt;
  }
  const auto seconds = value->get<double>();
  if (!(seconds >= 0.001 && seconds <= maximum) && !(zero && seconds == 0)) {
    add(
      "range", std::string("this must be ") + (zero ? "0, or " : "") +
                 "from 0.001 to " + to_string(maximum) + " seconds");
    return nullopt;
  }
  return seconds;
}

} // namespace command {
