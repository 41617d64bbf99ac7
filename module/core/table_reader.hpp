// A value of a route table, and where it stands: what is read from it is right
// or reported.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/table_errors.hpp"

namespace command {

// Integers beyond this lose digits in programs that read JSON numbers as
// doubles (RFC 8259, 6).
constexpr int64_t MAX_INTEGER = (int64_t(1) << 53) - 1;

using Names = std::vector<std::string>;


// Each reading method returns the value, or nothing after having said why it
// is of no use. Of a field that is not there nothing is read or said.
class TableReader
{
public:
  TableReader(
    Mistakes* _mistakes,
    const nlohmann::json* _value, // Null: not there.
    const std::string& _place = "")
    : mistakes(_mistakes), value(_value), place(_place)
  {
  }

  // Reports a mistake here, unless `fits`, which is returned.
  bool check(
    bool fits, const std::string& code, const std::string& reason) const;

  bool exists() const { return value != nullptr; }
  bool isNull() const;
  bool isList(size_t maximum = SIZE_MAX) const;
  bool object() const;

  // A field of an object, from now on known there; `need` if it has to be.
  TableReader operator[](const std::string& name) const;
  TableReader need(const std::string& name) const;

  // Reports the fields of an object that nobody asked for.
  void close() const;

  // The fields of an object, whatever their names are.
  std::map<std::string, TableReader> fields() const;

  // The elements of a list of `minimum` to `maximum`, of all other lists none;
  // `strings` those that are strings.
  std::vector<TableReader> list(size_t minimum, size_t maximum) const;
  std::vector<std::pair<TableReader, std::string>> strings(
    size_t minimum, size_t maximum) const;

  // A string without NUL, which no argument, path or variable can hold; if it
  // does not have the right form, `form` says which that is.
  std::optional<std::string> string() const;
  std::optional<std::string> string(
    bool (*fits)(const std::string&), const std::string& form) const;

  // One of a few strings.
  std::optional<std::string> choice(const Names& choices) const;

  std::optional<bool> boolean() const;

  // A number written without fraction and exponent.
  std::optional<int64_t> integer(int64_t minimum, int64_t maximum) const;

  // A time in seconds: 0.001 to `maximum`, or 0 where `zero` allows it.
  std::optional<double> seconds(int maximum, bool zero = false) const;

private:
  // Whether it is there and `fits`; said if it is there and does not.
  bool is(bool (nlohmann::json::*fits)() const, const char* wanted) const;

  Mistakes* mistakes;
  const nlohmann::json* value;
  std::string place;
  mutable std::set<std::string> known; // Names of fields.
};


// Sets `field` to what was read, if anything was.
template <typename Field, typename T>
void assign(Field* field, const std::optional<T>& read)
{
  if (read) {
    *field = *read;
  }
}

} // namespace command {
