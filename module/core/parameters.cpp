// The `parameters` of a route: their declarations, as read from a table.

#include <algorithm>

#include "core/table.hpp"
#include "core/text.hpp"

using std::map;
using std::optional;
using std::string;

namespace command {

struct Kind
{
  Type::Kind kind;
  int64_t minimum; // If the table says nothing.
  int64_t maximum;
  Names fields;
  Names required;
};


static const map<string, Kind> KINDS = {
  {"string",
   {Type::STRING,
    1,
    4096,
    {"min_length", "max_length", "characters", "prefixes"},
    {}}},
  {"integer",
   {Type::INTEGER, -MAX_INTEGER, MAX_INTEGER, {"minimum", "maximum"}, {}}},
  {"boolean", {Type::BOOLEAN, 0, 0, {"flag"}, {"flag"}}},
  {"enum", {Type::ENUM, 0, 0, {"values"}, {"values"}}},
  {"list", {Type::LIST, 1, 64, {"items", "min_items", "max_items"}, {"items"}}},
};


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
  if (type->minimum > type->maximum) {
    (first.exists() ? first : second)
      .add(
        "conflict", "the least is " + std::to_string(type->minimum) +
                      ", more than the most, " + std::to_string(type->maximum));
  }
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
  for (const Node& item : node.list(1, 128)) {
    const optional<string> text = item.string();
    if (!text) {
      continue;
    }
    const bool printable = std::all_of(
      text->begin(), text->end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (text->empty() || !printable) {
      item.add("value", "one or more printable ASCII characters, or a-z");
    } else if (
      text->size() == 3 && (*text)[1] == '-' && (*text)[0] <= (*text)[2]) {
      allow(type, (*text)[0], (*text)[2]);
    } else {
      for (const char c : *text) {
        type->characters.set(c);
      }
    }
  }
}


static void readPrefixes(const Node& node, Type* type)
{
  for (const Node& item : node.list(1, 64)) {
    const optional<string> prefix = item.string();
    if (prefix && prefix->empty()) {
      item.add("value", "every value starts with nothing; leave it out");
    }
    type->prefixes.push_back(prefix.value_or(""));
  }
}


bool isOptionName(const string& text)
{
  return !text.empty() && text[0] != '-' &&
         consistsOf(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
}


static void readFlag(const Node& node, Type* type)
{
  const optional<string> flag = node.string();
  if (!flag) {
    return;
  }
  const bool isShort = flag->size() == 2 && (*flag)[0] == '-' &&
                       consistsOf(flag->substr(1), ALPHANUMERIC);
  if (!isShort && !(startsWith(*flag, "--") && isOptionName(flag->substr(2)))) {
    node.add("value", "a flag is -x, or -- and lower-case letters, digits, -");
  }
  type->flag = *flag;
}


static void readValues(const Node& node, bool inList, Type* type)
{
  for (const Node& item : node.list(1, 1024)) {
    const optional<string> text = item.string();
    if (!text) {
      continue;
    }
    if (std::count(type->values.begin(), type->values.end(), *text) > 0) {
      item.add("duplicate-value", "this value is there twice");
    }
    if (inList && text->find(',') != string::npos) {
      item.add(
        "value", "a comma separates the items of a list; none can hold one");
    }
    type->values.push_back(*text);
  }
}


static void readType(
  const Node& node,
  const Names& kinds,
  Names known, // Fields besides those of the type.
  bool inList,
  Type* type)
{
  const optional<string> name = node["type"].choice(kinds);
  if (!name) {
    return;
  }
  const Kind& kind = KINDS.at(*name);
  known.insert(known.end(), kind.fields.begin(), kind.fields.end());
  node.object(known, kind.required);
  type->kind = kind.kind;
  type->minimum = kind.minimum;
  type->maximum = kind.maximum;
  switch (type->kind) {
    case Type::STRING:
      readBounds(node["min_length"], node["max_length"], 0, 65535, type);
      readCharacters(node["characters"], type);
      readPrefixes(node["prefixes"], type);
      break;
    case Type::INTEGER:
      readBounds(
        node["minimum"], node["maximum"], -MAX_INTEGER, MAX_INTEGER, type);
      break;
    case Type::BOOLEAN:
      readFlag(node["flag"], type);
      break;
    case Type::ENUM:
      readValues(node["values"], inList, type);
      break;
    case Type::LIST:
      readBounds(node["min_items"], node["max_items"], 1, 1024, type);
      type->items.emplace_back();
      node["items"].object({}, {"type"});
      readType(
        node["items"], {"string", "integer", "enum"}, {"type"}, true,
        &type->items[0]);
      break;
  }
}


static Parameter readParameter(const string& name, const Node& node)
{
  Parameter parameter;
  parameter.name = name;
  if (!node.object({}, {"type"}) || !node["type"].exists()) {
    return parameter;
  }
  readType(
    node, {"string", "integer", "boolean", "enum", "list"},
    {"type", "in", "required", "help"}, false, &parameter.type);
  parameter.inPath = node["in"].choice({"query", "path"}) == "path";
  assign(&parameter.required, node["required"].boolean());
  parameter.help = readHelp(node["help"]);
  return parameter;
}


map<string, Parameter> readParameters(
  const map<string, Node>& declared, const Findings& findings)
{
  map<string, Parameter> result;
  bool taken = false;
  for (const auto& [name, node] : declared) {
    if (name == TIMEOUT) {
      node.add("reserved", "every route has a parameter \"timeout\" itself");
    } else if (
      name.empty() || name.size() > 64 ||
      !consistsOf(name.substr(0, 1), LETTERS) ||
      !consistsOf(name, string(ALPHANUMERIC) + "_-")) {
      node.add(
        "value",
        "a parameter's name is a letter, then up to 63 letters, digits, _, -");
    } else {
      const size_t before = findings.count();
      const Parameter parameter = readParameter(name, node);
      if (findings.count() > before) {
        continue;
      }
      result.emplace(name, parameter);
      if (parameter.inPath && taken) {
        node["in"].add("conflict", "only one parameter can be the path");
      }
      taken = taken || parameter.inPath;
    }
  }
  return result;
}


string readHelp(const Node& node)
{
  constexpr size_t LIMIT = 1000;
  const string text = node.string().value_or("");
  const bool controls = std::any_of(
    text.begin(), text.end(),
    [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (text.size() > LIMIT || controls) {
    node.add("value", "help is one line, 1000 bytes at most");
  }
  return text;
}

} // namespace command {
