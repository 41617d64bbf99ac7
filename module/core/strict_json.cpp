#include "core/strict_json.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/formatting.hpp"

using std::string;

using nlohmann::json;

namespace command {

constexpr size_t MAX_BYTES = 1 << 20;
constexpr int MAX_DEPTH = 32;


// Notes every name that an object has twice while a parser reads it: the
// parser itself keeps the last.
class Repeated
{
public:
  std::set<string> places;

  bool operator()(int, json::parse_event_t event, const json& parsed)
  {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        open.emplace_back();
        return true;
      case json::parse_event_t::key:
        open.back().name = parsed.get<string>();
        if (!open.back().names.insert(*open.back().name).second) {
          places.insert(place());
        }
        return true;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        open.pop_back();
        break;
      case json::parse_event_t::value:
        break;
    }
    if (!open.empty()) {
      ++open.back().index;
    }
    return true;
  }

private:
  // A list or an object that is being read.
  struct Open
  {
    std::optional<string> name; // Of the last member of an object.
    std::set<string> names;
    size_t index = 0; // Of the next element of a list.
  };

  string place() const
  {
    string result;
    for (const Open& one : open) {
      result = one.name ? member(result, *one.name) :
                          member(result, std::to_string(one.index));
    }
    return result;
  }

  std::vector<Open> open;
};


// Where brackets outside of strings open too deep, `npos` if nowhere.
static size_t findDeep(const string& text)
{
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > MAX_DEPTH) {
        return i;
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return string::npos;
}


json read(const string& text, Mistakes* mistakes)
{
  auto refuse = [mistakes](const string& code, const string& reason) {
    mistakes->add("", code, reason);
    return json();
  };
  auto line = [&text](size_t index) {
    const auto end = text.begin() + static_cast<ptrdiff_t>(index);
    return "line " + std::to_string(1 + std::count(text.begin(), end, '\n'));
  };
  if (text.size() > MAX_BYTES) {
    return refuse(
      "too-large", "a table has at most " + std::to_string(MAX_BYTES) +
                     " bytes, not " + std::to_string(text.size()));
  }
  for (const char* mark : {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"}) {
    if (startsWith(text, mark)) {
      return refuse(
        "encoding",
        "the file starts with a byte order mark; save it without one");
    }
  }
  const size_t invalid = findInvalid(text);
  if (invalid != string::npos) {
    return refuse(
      "encoding", line(invalid) + ": byte " + std::to_string(invalid) +
                    " is not UTF-8; save the file as UTF-8");
  }
  const size_t deep = findDeep(text);
  if (deep != string::npos) {
    return refuse(
      "nesting", line(deep) + ": nested deeper than " +
                   std::to_string(MAX_DEPTH) + " levels");
  }
  Repeated repeated;
  json result;
  try {
    result = json::parse(text, std::ref(repeated));
  } catch (const json::exception& error) {
    // What it says begins with its own name in brackets.
    const string message = error.what();
    return refuse("json", "not JSON: " + message.substr(message.find(' ') + 1));
  }
  for (const string& place : repeated.places) {
    mistakes->add(
      place, "duplicate-field", "this field is there twice; keep one of them");
  }
  return result;
}

} // namespace command {
