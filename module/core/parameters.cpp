// The `parameters` of a route: their declarations, as read from a table.

#include <algorithm>

#include "core/table.hpp"
#include "core/text.hpp"

using std::map;
using std::optional;
using std::string;

namespace command {

// Sets `type`'s bounds from two fields, least <= first <= second <= most.
static void readBounds(
  const Node& first,
  const Node& second,
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


static void readCharacters(const Node& node, Type* type)
{
  if (!node.isList()) {
    const string name = node.choice({"text", "ascii", "any"}).value_or("text");
    type->unicode = name != "ascii";
    allow(type, name == "any" ? 1 : 0x20, type->unicode ? 0xFF : 0x7F);
    type->characters.set(0x7F, name == "any");
    return;
  }
  for (const auto& [item, text] : node.strings(1, 128)) {
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


static void readValues(const Node& node, bool inList, Type* type)
{
  for (const auto& [item, text] : node.strings(1, 1024)) {
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
static bool readType(const Node& node, bool inList, Type* type)
{
  Names kinds = {"string", "integer", "enum"};
  if (!inList) {
    kinds.insert(kinds.end(), {"boolean", "list"});
  }
  const optional<string> kind = node.need("type").choice(kinds);
  if (!kind) {
    return false;
  }
  type->kind = *kind;
  if (kind == "string") {
    type->minimum = 1;
    type->maximum = 4096;
    readBounds(node["min_length"], node["max_length"], 0, 65535, type);
    readCharacters(node["characters"], type);
    for (const auto& [item, prefix] : node["prefixes"].strings(1, 64)) {
      item.check(
        !prefix.empty(), "value",
        "every value starts with nothing; leave it out");
      type->prefixes.push_back(prefix);
    }
  } else if (kind == "integer") {
    type->minimum = -MAX_INTEGER;
    type->maximum = MAX_INTEGER;
    readBounds(
      node["minimum"], node["maximum"], -MAX_INTEGER, MAX_INTEGER, type);
  } else if (kind == "boolean") {
    assign(
      &type->flag,
      node.need("flag").string(
        isFlag, "a flag is -x, or -- and lower-case letters, digits, -"));
  } else if (kind == "enum") {
    readValues(node.need("values"), inList, type);
  } else {
    type->minimum = 1;
    type->maximum = 64;
    readBounds(node["min_items"], node["max_items"], 1, 1024, type);
    type->items.emplace_back();
    const Node items = node.need("items");
    if (items.object() && readType(items, true, &type->items[0])) {
      items.close();
    }
  }
  return true;
}


static Parameter readParameter(const string& name, const Node& node)
{
  Parameter parameter;
  parameter.name = name;
  if (node.object() && readType(node, false, &parameter.type)) {
    parameter.inPath = node["in"].choice({"query", "path"}) == "path";
    assign(&parameter.required, node["required"].boolean());
    parameter.help = readHelp(node["help"]);
    node.close();
  }
  return parameter;
}


static bool isName(const string& text)
{
  return !text.empty() && text.size() <= 64 &&
         consistsOf(text.substr(0, 1), LETTERS) &&
         consistsOf(text, string(ALPHANUMERIC) + "_-");
}


map<string, Parameter> readParameters(
  const map<string, Node>& declared, const Findings& findings)
{
  map<string, Parameter> result;
  bool taken = false;
  for (const auto& [name, node] : declared) {
    const size_t before = findings.count();
    node.check(
      name != TIMEOUT, "reserved",
      "every route has a parameter \"timeout\" itself");
    node.check(
      isName(name), "value",
      "a parameter's name is a letter, then up to 63 letters, digits, _, -");
    if (findings.count() > before) {
      continue;
    }
    const Parameter parameter = readParameter(name, node);
    if (findings.count() > before) {
      continue;
    }
    result.emplace(name, parameter);
    node["in"].check(
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


string readHelp(const Node& node)
{
  return node.string(isHelp, "help is one line, 1000 bytes at most")
    .value_or("");
}

} // namespace command {
