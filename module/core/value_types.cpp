#include "core/value_types.hpp"

#include <algorithm>

#include "core/formatting.hpp"

using std::string;
using std::vector;

namespace command {

const vector<string> KIND_NAMES = {
  "string", "integer", "boolean", "enum", "list"};


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


static string judgeInteger(const Type& type, const string& value)
{
  const string digits = startsWith(value, "-") ? value.substr(1) : value;
  if (
    !digits.empty() && digits.size() <= 16 && consistsOf(digits, DIGITS) &&
    (digits[0] != '0' || value == "0")) {
    const int64_t number = std::stoll(value);
    if (number >= type.minimum && number <= type.maximum) {
      return "";
    }
  }
  return "must be a whole number from " + std::to_string(type.minimum) +
         " to " + std::to_string(type.maximum);
}


static string judgeBoolean(
  const Type& type, const string& value, vector<string>* elements)
{
  if (value == "true" || value == "1" || value.empty()) {
    elements->push_back(type.flag);
    return "";
  }
  return value == "false" || value == "0" ?
           "" :
           "must be true, false, 1, 0 or empty";
}


static string judgeList(
  const Type& type, const string& value, vector<string>* elements)
{
  const vector<string> items = split(value, ',', type.maximum);
  const auto size = static_cast<int64_t>(items.size());
  if (size < type.minimum || size > type.maximum) {
    return "must have " + std::to_string(type.minimum) + " to " +
           std::to_string(type.maximum) + " items between commas";
  }
  for (const string& item : items) {
    const string unfit = judge(type.items[0], item, elements);
    if (!unfit.empty()) {
      return unfit;
    }
  }
  return "";
}


string judge(const Type& type, const string& value, vector<string>* elements)
{
  if (type.kind == Type::Kind::BOOLEAN) {
    return judgeBoolean(type, value, elements);
  }
  if (type.kind == Type::Kind::LIST) {
    return judgeList(type, value, elements);
  }
  elements->push_back(value);
  if (type.kind == Type::Kind::STRING) {
    return judgeString(type, value);
  }
  if (type.kind == Type::Kind::INTEGER) {
    return judgeInteger(type, value);
  }
  const vector<string>& values = type.values; // Of an enum.
  return std::count(values.begin(), values.end(), value) > 0 ?
           "" :
           "must be one of: " + join(values, ", ");
}

} // namespace command {
