#include "core/document.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "core/problem.hpp"
#include "core/text.hpp"

using std::string;
using std::vector;

using nlohmann::json;

namespace command {

constexpr size_t MAX_BYTES = 1 << 20;
constexpr int MAX_DEPTH = 32;


const Value* Value::find(const string& name) const
{
  for (const Member& field : members) {
    if (field.name == name) {
      return &field.value;
    }
  }
  return nullptr;
}


// Builds values from the parser's events. Repeated names are kept, which is
// what the parser's own documents can't do.
class Builder : public json::json_sax_t
{
public:
  Value root;
  std::string error;

  bool null() override { return put({}); }

  bool boolean(bool value) override
  {
    Value result;
    result.kind = Value::BOOLEAN;
    result.boolean = value;
    return put(result);
  }

  bool number_integer(int64_t value) override
  {
    Value result;
    result.kind = Value::INTEGER;
    result.integer = value;
    return put(result);
  }

  bool number_unsigned(uint64_t value) override
  {
    return value > INT64_MAX ? number_float(static_cast<double>(value), "") :
                               number_integer(static_cast<int64_t>(value));
  }

  bool number_float(double value, const std::string&) override
  {
    Value result;
    result.kind = Value::REAL;
    result.real = value;
    return put(result);
  }

  bool string(std::string& value) override
  {
    Value result;
    result.kind = Value::STRING;
    result.text = value;
    return put(result);
  }

  bool start_object(size_t) override { return open(Value::OBJECT); }
  bool start_array(size_t) override { return open(Value::LIST); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override
  {
    path.back()->members.push_back({name, {}});
    return true;
  }

  bool binary(json::binary_t&) override { return false; } // Not in text.

  bool parse_error(
    size_t, const std::string&, const nlohmann::detail::exception& e) override
  {
    // What it says begins with its own name in brackets.
    const std::string message = e.what();
    const size_t name = message.find("] ");
    error = name == std::string::npos ? message : message.substr(name + 2);
    return false;
  }

private:
  Value* place()
  {
    if (path.empty()) {
      return &root;
    }
    Value* parent = path.back();
    if (parent->kind == Value::OBJECT) {
      return &parent->members.back().value;
    }
    parent->items.emplace_back();
    return &parent->items.back();
  }

  bool put(const Value& value)
  {
    *place() = value;
    return true;
  }

  bool open(Value::Kind kind)
  {
    Value* value = place();
    value->kind = kind;
    path.push_back(value);
    return true;
  }

  bool close()
  {
    path.pop_back();
    return true;
  }

  // The lists and objects that are open. None of them moves, since only the
  // last element of each is being added to.
  vector<Value*> path;
};


static int line(const string& text, size_t index)
{
  return 1 + std::count(text.begin(), text.begin() + index, '\n');
}


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


static void findRepeated(
  const Value& value, const string& place, std::set<string>* repeated)
{
  for (size_t i = 0; i < value.items.size(); ++i) {
    findRepeated(value.items[i], member(place, i), repeated);
  }
  std::set<string> names;
  for (const Member& field : value.members) {
    const string inner = member(place, field.name);
    if (!names.insert(field.name).second) {
      repeated->insert(inner);
    }
    findRepeated(field.value, inner, repeated);
  }
}


Value read(const string& text, Findings* findings)
{
  auto refuse = [findings](const string& code, const string& reason) {
    findings->add("", code, reason);
    return Value();
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
      "encoding", "line " + std::to_string(line(text, invalid)) + ": byte " +
                    std::to_string(invalid) +
                    " is not UTF-8; save the file as UTF-8");
  }
  const size_t deep = findDeep(text);
  if (deep != string::npos) {
    return refuse(
      "nesting", "line " + std::to_string(line(text, deep)) +
                   ": nested deeper than " + std::to_string(MAX_DEPTH) +
                   " levels");
  }
  Builder builder;
  if (!json::sax_parse(text, &builder)) {
    return refuse("json", "not JSON: " + builder.error);
  }
  std::set<string> repeated;
  findRepeated(builder.root, "", &repeated);
  for (const string& place : repeated) {
    findings->add(
      place, "duplicate-field", "this field is there twice; keep one of them");
  }
  return std::move(builder.root);
}

} // namespace command {
