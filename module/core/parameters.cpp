#include "core/parameters.hpp"

#include <algorithm>

#include "core/formatting.hpp"

using std::map;
using std::string;

namespace command {

// Sets `type`'s bounds from two fields, least <= first <= second <= most.
static void readBounds(
  const TableReader& first,
  const TableReader& second,
  int64_t least,
  int64_t most,
  Type* type)
{
  assign(&type->minimum, first.integer(least, most));
  assign(&type->maximum, second.integer(least, most));
  (first.exists() ? first : second)
    .check(
      type->minimum <= type->maximum, "conflict",
      "the least is " + std::to_string(type->minimum) +
        ", more than the most, " + std::to_string(type->maximum));
}


static void allow(Type* type, int first, int last)
{
  for (int byte = first; byte <= last; ++byte) {
    type->characters.set(byte);
  }
}


static void readCharacters(const TableReader& reader, Type* type)
{
  if (!reader.isList()) {
    const string name =
      reader.choice({"text", "ascii", "any"}).value_or("text");
    type->unicode = name != "ascii";
    allow(type, name == "any" ? 1 : 0x20, type->unicode ? 0xFF : 0x7F);
    type->characters.set(0x7F, name == "any");
    return;
  }
  for (const auto& [item, text] : reader.strings(1, 128)) {
    const bool printable = std::all_of(
      text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (!item.check(
          !text.empty() && printable, "value",
          "one or more printable ASCII characters, or a-z")) {
      continue;
    }
    if (text.size() == 3 && text[1] == '-' && text[0] <= text[2]) {
      allow(type, text[0], text[2]);
    } else {
      for (const char c : text) {
        type->characters.set(c);
      }
    }
  }
}


bool isOptionName(const string& text)
{
  return !text.empty() && text[0] != '-' &&
         consistsOf(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
}


static bool isFlag(const string& text)
{
  return startsWith(text, "--") ? isOptionName(text.substr(2)) :
                                  text.size() == 2 && text[0] == '-' &&
                                    consistsOf(text.substr(1), ALPHANUMERIC);
}


static void readValues(const TableReader& reader, bool inList, Type* type)
{
  for (const auto& [item, text] : reader.strings(1, 1024)) {
    item.check(
      std::count(type->values.begin(), type->values.end(), text) == 0,
      "duplicate-value", "this value is there twice");
    item.check(
      !inList || text.find(',') == string::npos, "value",
      "a comma separates the items of a list; none can hold one");
    type->values.push_back(text);
  }
}


// Returns whether it is known which other fields there may be.
static bool readType(const TableReader& reader, bool inList, Type* type)
{
  const std::optional<string> name = reader.need("type").choice(
    inList ? Names{"string", "integer", "enum"} : KIND_NAMES);
  if (!name) {
    return false;
  }
  const auto found = std::find(KIND_NAMES.begin(), KIND_NAMES.end(), *name);
  type->kind = static_cast<Type::Kind>(found - KIND_NAMES.begin());
  switch (type->kind) {
    case Type::Kind::STRING:
      type->minimum = 1;
      type->maximum = 4096;
      readBounds(reader["min_length"], reader["max_length"], 0, 65535, type);
      readCharacters(reader["characters"], type);
      for (const auto& [item, prefix] : reader["prefixes"].strings(1, 64)) {
        item.check(
          !prefix.empty(), "value",
          "every value starts with nothing; leave it out");
        type->prefixes.push_back(prefix);
      }
      break;
    case Type::Kind::INTEGER:
      type->minimum = -MAX_INTEGER;
      type->maximum = MAX_INTEGER;
      readBounds(
        reader["minimum"], reader["maximum"], -MAX_INTEGER, MAX_INTEGER, type);
      break;
    case Type::Kind::BOOLEAN:
      assign(
        &type->flag,
        reader.need("flag").string(
          isFlag, "a flag is -x, or -- and lower-case letters, digits, -"));
      break;
    case Type::Kind::ENUM:
      readValues(reader.need("values"), inList, type);
      break;
    case Type::Kind::LIST:
      type->minimum = 1;
      type->maximum = 64;
      readBounds(reader["min_items"], reader["max_items"], 1, 1024, type);
      type->items.emplace_back();
      const TableReader items = reader.need("items");
      if (items.object() && readType(items, true, &type->items[0])) {
        items.close();
      }
      break;
  }
  return true;
}


static Parameter readParameter(const TableReader& reader)
{
  Parameter parameter;
  if (reader.object() && readType(reader, false, &parameter.type)) {
    parameter.inPath = reader["in"].choice({"query", "path"}) == "path";
    assign(&parameter.required, reader["required"].boolean());
    parameter.help = readHelp(reader["help"]);
    reader.close();
  }
  return parameter;
}


map<string, Parameter> readParameters(
  const map<string, TableReader>& declared, const Mistakes& mistakes)
{
  map<string, Parameter> result;
  bool taken = false;
  for (const auto& [name, reader] : declared) {
    const size_t before = mistakes.count();
    Parameter parameter;
    const bool isName = !name.empty() && name.size() <= 64 &&
                        consistsOf(name.substr(0, 1), LETTERS) &&
                        consistsOf(name, string(ALPHANUMERIC) + "_-");
    if (
      reader.check(
        name != TIMEOUT, "reserved",
        "every route has a parameter \"timeout\" itself") &&
      reader.check(
        isName, "value",
        "a parameter's name is a letter, then up to 63 letters, digits, _, "
        "-")) {
      parameter = readParameter(reader);
    }
    if (mistakes.count() > before) {
      continue;
    }
    result.emplace(name, parameter);
    reader["in"].check(
      !parameter.inPath || !taken, "conflict",
      "only one parameter can be the path");
    taken = taken || parameter.inPath;
  }
  return result;
}


static bool isHelp(const string& text)
{
  return text.size() <= 1000 &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) {
           return c < 0x20 || c == 0x7F;
         });
}


string readHelp(const TableReader& reader)
{
  return reader.string(isHelp, "help is one line, 1000 bytes at most")
    .value_or("");
}

} // namespace command {
