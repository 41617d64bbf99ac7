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

bool Node::check(
  bool fits, const std::string& code, const std::string& reason) const
{
  if (!fits) {
    findings->add(place, code, reason);
  }
  return fits;
}


bool Node::isNull() const { return exists() && value->is_null(); }


bool Node::isList(size_t maximum) const
{
  return exists() && value->is_array() && value->size() <= maximum;
}


bool Node::is(bool (json::*fits)() const, const char* wanted) const
{
  return exists() && check(
                       (value->*fits)(), "type",
                       std::string("this must be ") + wanted + ", not " +
                         value->type_name());
}


bool Node::object() const { return is(&json::is_object, "an object"); }


Node Node::operator[](const std::string& name) const
{
  known.insert(name);
  const bool has = exists() && value->is_object() && value->contains(name);
  return Node(findings, has ? &(*value)[name] : nullptr, member(place, name));
}


Node Node::need(const std::string& name) const
{
  const Node field = (*this)[name];
  check(
    field.exists() || !exists() || !value->is_object(), "missing-field",
    "the field \"" + name + "\" is missing");
  return field;
}


void Node::close() const
{
  const Names names(known.begin(), known.end());
  for (const auto& [name, field] : fields()) {
    field.check(
      known.count(name) > 0, "unknown-field",
      "no such field; here are: " + join(names, ", "));
  }
}


map<std::string, Node> Node::fields() const
{
  map<std::string, Node> result;
  if (object()) {
    for (const auto& [name, field] : value->items()) {
      result.emplace(name, Node(findings, &field, member(place, name)));
    }
  }
  return result;
}


vector<Node> Node::list(size_t minimum, size_t maximum) const
{
  vector<Node> result;
  if (!is(&json::is_array, "a list")) {
    return result;
  }
  const size_t size = value->size();
  if (check(
        size >= minimum && size <= maximum, "range",
        "a list of " + to_string(minimum) + " to " + to_string(maximum) +
          " elements, not " + to_string(size))) {
    for (size_t i = 0; i < size; ++i) {
      result.emplace_back(findings, &(*value)[i], member(place, i));
    }
  }
  return result;
}


vector<std::pair<Node, std::string>> Node::strings(
  size_t minimum, size_t maximum) const
{
  vector<std::pair<Node, std::string>> result;
  for (const Node& item : list(minimum, maximum)) {
    if (const optional<std::string> text = item.string()) {
      result.emplace_back(item, *text);
    }
  }
  return result;
}


optional<std::string> Node::string() const
{
  if (!is(&json::is_string, "a string")) {
    return nullopt;
  }
  const auto text = value->get<std::string>();
  return check(
           text.find('\0') == std::string::npos, "value",
           "a NUL character can't be passed to a command") ?
           optional<std::string>(text) :
           nullopt;
}


optional<std::string> Node::string(
  bool (*fits)(const std::string&), const std::string& form) const
{
  const optional<std::string> text = string();
  return text && check(fits(*text), "value", form) ? text : nullopt;
}


optional<std::string> Node::choice(const Names& choices) const
{
  const optional<std::string> text = string();
  return text && check(
                   std::count(choices.begin(), choices.end(), *text) > 0,
                   "value", "this must be one of: " + join(choices, ", ")) ?
           text :
           nullopt;
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
  const bool fits = value->is_number_integer() &&
                    number >= static_cast<double>(minimum) &&
                    number <= static_cast<double>(maximum);
  return check(
           fits, "range",
           minimum == maximum ?
             "this must be " + to_string(minimum) :
             "this must be a whole number from " + to_string(minimum) + " to " +
               to_string(maximum)) ?
           optional<int64_t>(value->get<int64_t>()) :
           nullopt;
}


optional<double> Node::seconds(int maximum, bool zero) const
{
  if (!is(&json::is_number, "a number of seconds")) {
    return nullopt;
  }
  const auto seconds = value->get<double>();
  return check(
           (seconds >= 0.001 && seconds <= maximum) || (zero && seconds == 0),
           "range",
           std::string("this must be ") + (zero ? "0, or " : "") +
             "from 0.001 to " + to_string(maximum) + " seconds") ?
           optional<double>(seconds) :
           nullopt;
}

} // namespace command {
