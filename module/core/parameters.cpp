// The `parameters` of a route: their declarations, as read from a table.

#include <algorithm>

#include "core/table.hpp"
#include "core/text.hpp"

using std::map;
using std::string;
using std::vector;

namespace command {

using Strings = vector<string>;

static const map<string, Strings> OWN_FIELDS = {
  {"string", {"min_length", "max_length", "characters", "prefixes"}},
  {"integer", {"minimum", "maximum"}},
  {"boolean", {"flag"}},
  {"enum", {"values"}},
  {"list", {"items", "min_items", "max_items"}},
};


// Sets `type`'s bounds from two fields, least <= first <= second <= most.
static void readBounds(
  Findings* findings,
  const string& place,
  const Value& object,
  const char* const (&names)[2],
  int64_t least,
  int64_t most,
  Type* type)
{
  for (int i = 0; i < 2; ++i) {
    const Value* value = object.find(names[i]);
    if (value != nullptr) {
      int64_t* bound = i == 0 ? &type->minimum : &type->maximum;
      *bound = findings->integer(member(place, names[i]), value, least, most)
                 .value_or(*bound);
    }
  }
  if (type->minimum > type->maximum) {
    findings->add(
      member(place, names[object.find(names[0]) != nullptr ? 0 : 1]),
      "conflict",
      string(names[0]) + " is " + std::to_string(type->minimum) +
        ", more than " + names[1] + ", " + std::to_string(type->maximum));
  }
}


static void allow(Type* type, int first, int last)
{
  for (int byte = first; byte <= last; ++byte) {
    type->characters.set(byte);
  }
}


static void readCharacters(
  Findings* findings, const string& place, const Value& value, Type* type)
{
  if (value.kind == Value::STRING) {
    const string* name =
      findings->choice(place, &value, {"text", "ascii", "any"});
    type->unicode = name != nullptr && *name != "ascii";
    allow(type, name != nullptr && *name == "any" ? 1 : 0x20, 0xFF);
    type->characters.set(0x7F, name != nullptr && *name == "any");
    for (int byte = 0x80; !type->unicode && byte <= 0xFF; ++byte) {
      type->characters.reset(byte);
    }
    return;
  }
  if (value.kind != Value::LIST) {
    findings->add(
      place, "type",
      "this must be text, ascii, any, or a list such as [\"a-z\"]");
    return;
  }
  const Value* list = findings->list(place, &value, 1, 128);
  for (size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
    const string* text = findings->string(member(place, i), &list->items[i]);
    if (text == nullptr) {
      continue;
    }
    if (text->empty() || std::any_of(text->begin(), text->end(), [](char c) {
          return c < ' ' || c > '~';
        })) {
      findings->add(
        member(place, i), "value",
        "one or more printable ASCII characters, or a-z");
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


static void readString(
  Findings* findings, const string& place, const Value& object, Type* type)
{
  type->minimum = 1;
  type->maximum = 4096;
  readBounds(
    findings, place, object, {"min_length", "max_length"}, 0, 65535, type);
  Value text;
  text.kind = Value::STRING;
  text.text = "text";
  const Value* characters = object.find("characters");
  readCharacters(
    findings, member(place, "characters"),
    characters == nullptr ? text : *characters, type);
  if (const Value* prefixes = object.find("prefixes")) {
    const string inner = member(place, "prefixes");
    const Value* list = findings->list(inner, prefixes, 1, 64);
    for (size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
      const string* prefix =
        findings->string(member(inner, i), &list->items[i]);
      if (prefix != nullptr && prefix->empty()) {
        findings->add(
          member(inner, i), "value",
          "every value starts with nothing; leave it out");
      }
      type->prefixes.push_back(prefix == nullptr ? "" : *prefix);
    }
  }
}


bool isOptionName(const string& text)
{
  return !text.empty() && text[0] != '-' &&
         consistsOf(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
}


static void readFlag(
  Findings* findings, const string& place, const Value& value, Type* type)
{
  const string* flag = findings->string(place, &value);
  if (flag == nullptr) {
    return;
  }
  const bool isShort = flag->size() == 2 && (*flag)[0] == '-' &&
                       consistsOf(flag->substr(1), ALPHANUMERIC);
  if (!isShort && !(startsWith(*flag, "--") && isOptionName(flag->substr(2)))) {
    findings->add(
      place, "value", "a flag is -x, or -- and lower-case letters, digits, -");
  }
  type->flag = *flag;
}


static void readValues(
  Findings* findings, const string& place, const Value& value, Type* type)
{
  const Value* list = findings->list(place, &value, 1, 1024);
  for (size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
    const string* text = findings->string(member(place, i), &list->items[i]);
    if (text == nullptr) {
      continue;
    }
    if (std::count(type->values.begin(), type->values.end(), *text) > 0) {
      findings->add(
        member(place, i), "duplicate-value", "this value is there twice");
    }
    type->values.push_back(*text);
  }
}


static void readType(
  Findings* findings,
  const string& place,
  const Value& object,
  const Strings& kinds,
  Strings known, // Fields besides those of the type.
  Type* type)
{
  const string* kind =
    findings->choice(member(place, "type"), object.find("type"), kinds);
  if (kind == nullptr) {
    return;
  }
  const Strings& own = OWN_FIELDS.at(*kind);
  known.insert(known.end(), own.begin(), own.end());
  findings->object(place, &object, &known);

  // Fields without a default.
  auto needs = [&](const string& field, const string& reason) {
    const Value* value = object.find(field);
    if (value == nullptr) {
      findings->add(place, "missing-field", reason);
    }
    return value;
  };

  if (*kind == "string") {
    readString(findings, place, object, type);
  } else if (*kind == "integer") {
    type->kind = Type::INTEGER;
    type->minimum = -MAX_INTEGER;
    type->maximum = MAX_INTEGER;
    readBounds(
      findings, place, object, {"minimum", "maximum"}, -MAX_INTEGER,
      MAX_INTEGER, type);
  } else if (*kind == "boolean") {
    type->kind = Type::BOOLEAN;
    if (
      const Value* value = needs(
        "flag", "a boolean needs the field \"flag\", such as \"--force\"")) {
      readFlag(findings, member(place, "flag"), *value, type);
    }
  } else if (*kind == "enum") {
    type->kind = Type::ENUM;
    if (
      const Value* value = needs(
        "values", "an enum needs the field \"values\", a list of strings")) {
      readValues(findings, member(place, "values"), *value, type);
    }
  } else {
    type->kind = Type::LIST;
    type->minimum = 1;
    type->maximum = 64;
    readBounds(
      findings, place, object, {"min_items", "max_items"}, 1, 1024, type);
    const string inner = member(place, "items");
    const Value* items =
      needs("items", "a list needs the field \"items\", the type of each");
    if (
      items == nullptr ||
      findings->object(inner, items, nullptr, {"type"}) == nullptr ||
      items->find("type") == nullptr) {
      return;
    }
    type->items.emplace_back();
    Type& item = type->items[0];
    readType(
      findings, inner, *items, {"string", "integer", "enum"}, {"type"}, &item);
    for (size_t i = 0; i < item.values.size(); ++i) {
      if (item.values[i].find(',') != string::npos) {
        findings->add(
          member(member(inner, "values"), i), "value",
          "a comma separates the items of a list; none can hold one");
      }
    }
  }
}


static void readParameter(
  Findings* findings,
  const string& place,
  const Value& object,
  Parameter* parameter)
{
  if (
    findings->object(place, &object, nullptr, {"type"}) == nullptr ||
    object.find("type") == nullptr) {
    return;
  }
  readType(
    findings, place, object, {"string", "integer", "boolean", "enum", "list"},
    {"type", "in", "required", "help"}, &parameter->type);
  if (const Value* value = object.find("in")) {
    const string* source =
      findings->choice(member(place, "in"), value, {"query", "path"});
    parameter->inPath = source != nullptr && *source == "path";
  }
  if (const Value* value = object.find("required")) {
    parameter->required =
      findings->boolean(member(place, "required"), value).value_or(false);
  }
  parameter->help = readHelp(findings, place, object);
}


map<string, Parameter> readParameters(
  Findings* findings, const string& place, const Value& declared)
{
  map<string, Parameter> result;
  for (const Member& field : declared.members) {
    const string& name = field.name;
    const string inner = member(place, name);
    if (name == TIMEOUT) {
      findings->add(
        inner, "reserved", "every route has a parameter \"timeout\" itself");
    } else if (
      name.empty() || name.size() > 64 ||
      !consistsOf(name.substr(0, 1), LETTERS) ||
      !consistsOf(name, string(ALPHANUMERIC) + "_-")) {
      findings->add(
        inner, "value",
        "a parameter's name is a letter, then up to 63 letters, digits, _, -");
    } else {
      const size_t before = findings->count();
      Parameter parameter;
      parameter.name = name;
      readParameter(findings, inner, field.value, &parameter);
      if (findings->count() == before) {
        result.emplace(name, parameter);
      }
    }
  }
  bool taken = false;
  for (const auto& [name, parameter] : result) {
    if (parameter.inPath && taken) {
      findings->add(
        member(member(place, name), "in"), "conflict",
        "only one parameter can be the path");
    }
    taken = taken || parameter.inPath;
  }
  return result;
}


string readHelp(Findings* findings, const string& place, const Value& object)
{
  constexpr size_t LIMIT = 1000;
  const Value* value = object.find("help");
  const string* text =
    value == nullptr ? nullptr : findings->string(member(place, "help"), value);
  if (text == nullptr) {
    return "";
  }
  if (
    text->size() > LIMIT ||
    std::any_of(text->begin(), text->end(), [](unsigned char c) {
      return c < 0x20 || c == 0x7F;
    })) {
    findings->add(
      member(place, "help"), "value", "help is one line, 1000 bytes at most");
  }
  return *text;
}

} // namespace command {
