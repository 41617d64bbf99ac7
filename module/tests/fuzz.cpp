// For libFuzzer: route tables and requests of any bytes.
//
// The first byte decides: a table is read from the rest, and asked for
// arguments if it is valid; or a request goes to a table that is. Whatever
// comes, no value becomes an argument before `--` but behind `--option=`.

#include <stdint.h>
#include <stdlib.h>

#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/argv.hpp"
#include "core/formatting.hpp"
#include "core/route_match.hpp"
#include "core/route_table.hpp"

using std::string;
using std::vector;

using namespace command;

static const char TABLE[] = R"({
  "abi": 1, "process": "p", "command": ["c"], "routes": [{
    "path": "/a", "method": ["GET", "POST"],
    "argv": ["x", "{f}", "--n={n}", "--l={l}", "--", "{s}", "{e}", "{p}"],
    "parameters": {
      "f": {"type": "boolean", "flag": "-f"},
      "n": {"type": "integer", "minimum": -5, "maximum": 1000},
      "l": {"type": "list", "items": {"type": "string", "min_length": 0}},
      "s": {"type": "string", "characters": "any", "prefixes": ["a", "-"]},
      "e": {"type": "enum", "values": ["--", "b"]},
      "p": {"type": "string", "in": "path", "characters": ["a-z", "-"]}
    }}]})";


static void require(bool condition)
{
  if (!condition) {
    abort();
  }
}


static void ask(
  const Route& route,
  const std::unordered_map<string, string>& query,
  const string& rest)
{
  const auto built = build(route, query, rest);
  if (std::holds_alternative<Refusal>(built)) {
    require(!std::get<Refusal>(built).detail.empty());
    return;
  }
  size_t next = 0;
  const vector<string>& words = std::get<CommandLine>(built).arguments;
  for (const Element& element : route.argv) {
    if (element.parameter.empty() && element.prefix == "--") {
      break;
    }
    while (next < words.size() && !element.parameter.empty()) {
      const Type& type = route.parameters.at(element.parameter).type;
      const bool mine = type.kind == Type::Kind::BOOLEAN ?
                          words[next] == type.flag :
                          startsWith(words[next], element.prefix);
      if (!mine) {
        break;
      }
      ++next;
    }
    if (element.parameter.empty()) {
      require(next < words.size() && words[next] == element.prefix);
      ++next;
    }
  }
}


extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
  if (size == 0) {
    return 0;
  }
  const string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1) {
    const auto parsed = parse(text, "fuzz");
    if (const auto* mistakes = std::get_if<vector<Mistake>>(&parsed)) {
      require(!mistakes->empty());
      return 0;
    }
    for (const Route& route : std::get<Table>(parsed).routes) {
      std::unordered_map<string, string> query;
      for (const auto& [name, parameter] : route.parameters) {
        if (!parameter.inPath) {
          query[name] = text.substr(0, 8);
        }
      }
      ask(route, query, "");
    }
    return 0;
  }
  static const Table table = std::get<Table>(parse(TABLE, "fuzz"));
  const vector<string> lines = split(text, '\n');
  const Match found = match({&table}, "GET", lines[0]);
  std::unordered_map<string, string> query;
  for (size_t i = 1; i < lines.size(); ++i) {
    const vector<string> pair = split(lines[i], '=', 1);
    query[pair[0]] = pair.back();
  }
  if (found.route != nullptr) {
    ask(*found.route, query, found.rest);
  }
  ask(table.routes[0], query, lines[0]);
  return 0;
}
