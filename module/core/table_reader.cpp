#include "core/table_reader.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/formatting.hpp"

using std::map;
using std::nullopt;
using std::optional;
using std::to_string;
using std::vector;

using nlohmann::json;

namespace command {

bool TableReader::check(
  bool fits, const std::string& code, const std::string& reason) const
{
  if (!fits) {
    mistakes->add(place, code, reason);
  }
  return fits;
}


bool TableReader::isNull() const { return exists() && value->is_null(); }


bool TableReader::isList(size_t maximum) const
{
  return exists() && value->is_array() && value->size() <= maximum;
}


bool TableReader::is(bool (json::*fits)() const, const char* wanted) const
{
  return exists() && check(
                       (value->*fits)(), "type",
                       std::string("this must be ") + wanted + ", not " +
                         value->type_name());
}


bool TableReader::object() const { return is(&json::is_object, "an object"); }


TableReader TableReader::operator[](const std::string& name) const
{
  known.insert(name);
  const bool has = exists() && value->is_object() && value->contains(name);
  return TableReader(
    mistakes, has ? &(*value)[name] : nullptr, member(place, name));
}


TableReader TableReader::need(const std::string& name) const
{
  const TableReader field = (*this)[name];
  check(
    field.exists() || !exists() || !value->is_object(), "missing-field",
    "the field \"" + name + "\" is missing");
  return field;
}


void TableReader::close() const
{
  const Names names(known.begin(), known.end());
  for (const auto& [name, field] : fields()) {
    field.check(
      known.count(name) > 0, "unknown-field",
      "no such field; here are: " + join(names, ", "));
  }
}


map<std::string, TableReader> TableReader::fields() const
{
  map<std::string, TableReader> result;
  if (object()) {
    for (const auto& [name, field] : value->items()) {
      result.emplace(name, TableReader(mistakes, &field, member(place, name)));
    }
  }
  return result;
}


vector<TableReader> TableReader::list(size_t minimum, size_t maximum) const
{
  vector<TableReader> result;
  if (!is(&json::is_array, "a list")) {
    return result;
  }
  const size_t size = value->size();
  if (check(
        size >= minimum && size <= maximum, "range",
        "a list of " + to_string(minimum) + " to " + to_string(maximum) +
          " elements, not " + to_string(size))) {
    for (size_t i = 0; i < size; ++i) {
      result.emplace_back(mistakes, &(*value)[i], member(place, to_string(i)));
    }
  }
  return result;
}


vector<std::pair<TableReader, std::string>> TableReader::strings(
  size_t minimum, size_t maximum) const
{
  vector<std::pair<TableReader, std::string>> result;
  for (const TableReader& item : list(minimum, maximum)) {
    if (const optional<std::string> text = item.string()) {
      result.emplace_back(item, *text);
    }
  }
  return result;
}


// What a value is, if it has turned out to fit.
template <typename T>
static optional<T> get(bool fits, const json* value)
{
  return fits ? optional<T>(value->get<T>()) : nullopt;
}


optional<std::string> TableReader::string() const
{
  const auto text = get<std::string>(is(&json::is_string, "a string"), value);
  return text && check(
                   text->find('\0') == std::string::npos, "value",
                   "a NUL character can't be passed to a command") ?
           text :
           nullopt;
}


optional<std::string> TableReader::string(
  bool (*fits)(const std::string&), const std::string& form) const
{
  const optional<std::string> text = string();
  return text && check(fits(*text), "value", form) ? text : nullopt;
}


optional<std::string> TableReader::choice(const Names& choices) const
{
  const optional<std::string> text = string();
  return text && check(
                   std::count(choices.begin(), choices.end(), *text) > 0,
                   "value", "this must be one of: " + join(choices, ", ")) ?
           text :
           nullopt;
}


optional<bool> TableReader::boolean() const
{
  return get<bool>(is(&json::is_boolean, "true or false"), value);
}


optional<int64_t> TableReader::integer(int64_t minimum, int64_t maximum) const
{
  if (!is(&json::is_number, "a number")) {
    return nullopt;
  }
  // Exact, as all bounds are within `MAX_INTEGER`.
  const auto number = value->get<double>();
  const bool fits = value->is_number_integer() &&
                    number >= static_cast<double>(minimum) &&
                    number <= static_cast<double>(maximum);
  const std::string range =
    minimum == maximum ?
      to_string(minimum) :
      "a whole number from " + to_string(minimum) + " to " + to_string(maximum);
  return get<int64_t>(check(fits, "range", "this must be " + range), value);
}


optional<double> TableReader::seconds(int maximum, bool zero) const
{
  if (!is(&json::is_number, "a number of seconds")) {
    return nullopt;
  }
  const auto seconds = value->get<double>();
  const bool fits =
    (seconds >= 0.001 && seconds <= maximum) || (zero && seconds == 0);
  const std::string range = std::string(zero ? "0, or " : "") +
                            "from 0.001 to " + to_string(maximum) + " seconds";
  return get<double>(check(fits, "range", "this must be " + range), value);
}

} // namespace command {
