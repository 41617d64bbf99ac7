#include "core/argv_template.hpp"

#include <set>

#include "core/formatting.hpp"

using std::map;
using std::optional;
using std::string;
using std::vector;

namespace command {

constexpr size_t MAX_ARGUMENTS = 1024;


// Splits `{name}` or `--option={name}`; nothing if it is neither.
static optional<Element> readTemplate(const string& text)
{
  const size_t open = text.find('{');
  const size_t close = text.find('}');
  if (
    open == string::npos || close != text.size() - 1 || close < open + 2 ||
    text.find('{', open + 1) != string::npos) {
    return std::nullopt;
  }
  Element element = {text.substr(0, open), text.substr(open + 1)};
  element.parameter.pop_back();
  const string& prefix = element.prefix;
  if (
    !prefix.empty() && !(startsWith(prefix, "--") && prefix.back() == '=' &&
                         isOptionName(prefix.substr(2, prefix.size() - 3)))) {
    return std::nullopt;
  }
  return element;
}


static void checkPosition(
  const TableReader& reader,
  const Element& element,
  const Parameter& parameter,
  bool guarded)
{
  const string name = "{" + element.parameter + "}";
  const bool boolean = parameter.type.kind == Type::Kind::BOOLEAN;
  const bool option = !element.prefix.empty();
  if (boolean && option) {
    reader.check(
      false, "boolean-value",
      "a boolean has no value to write; use " + name + " alone");
  } else if ((boolean || option) && guarded) {
    reader.check(
      false, "after-end-of-options",
      "after -- this is no option; move it before --");
  } else if (!boolean && !option && !guarded) {
    reader.check(
      false, "unguarded-value",
      "a value here could become an option; put \"--\" before it, or "
      "--option=" +
        name);
  }
}


vector<Element> readArgv(
  const TableReader& reader,
  const map<string, Parameter>& parameters,
  const optional<map<string, TableReader>>& declared)
{
  vector<Element> elements;
  std::set<string> used;
  bool guarded = false;
  for (const auto& [item, text] : reader.strings(0, MAX_ARGUMENTS)) {
    if (text.find_first_of("{}") == string::npos) {
      guarded = guarded || text == "--";
      elements.push_back({text, ""});
      continue;
    }
    const optional<Element> element = readTemplate(text);
    if (!item.check(
          element.has_value(), "template",
          "this must be a literal without braces, {name}, or "
          "--option={name}")) {
      continue;
    }
    const string& name = element->parameter;
    if (!item.check(
          !declared || declared->count(name) > 0, "undeclared-parameter",
          "no parameter \"" + name + "\" is declared")) {
      continue;
    }
    used.insert(name);
    elements.push_back(*element);
    const auto parameter = parameters.find(name);
    if (parameter != parameters.end()) {
      checkPosition(item, *element, parameter->second, guarded);
    }
  }
  for (const auto& [name, parameter] :
       declared.value_or(map<string, TableReader>())) {
    parameter.check(
      !reader.isList(MAX_ARGUMENTS) || used.count(name) > 0, "unused-parameter",
      "argv does not use it; add {" + name + "} there or remove it here");
  }
  return elements;
}

} // namespace command {
