#include "core/formatting.hpp"

#include <cstdio>

#include <nlohmann/json.hpp>

using std::string;
using std::vector;

namespace command {

bool consistsOf(const string& text, const string& allowed)
{
  return text.find_first_not_of(allowed) == string::npos;
}


bool startsWith(const string& text, const string& prefix)
{
  return text.compare(0, prefix.size(), prefix) == 0;
}


string join(const vector<string>& words, const string& separator)
{
  string result;
  for (size_t i = 0; i < words.size(); ++i) {
    result += (i == 0 ? "" : separator) + words[i];
  }
  return result;
}


vector<string> split(const string& text, char separator, size_t limit)
{
  vector<string> result;
  size_t begin = 0;
  for (size_t end = text.find(separator);
       end != string::npos && result.size() < limit;
       end = text.find(separator, begin)) {
    result.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  result.push_back(text.substr(begin));
  return result;
}


// The length of the well-formed UTF-8 sequence (RFC 3629) that begins at
// `index`, 0 if none does.
static size_t sequenceLength(const string& text, size_t index)
{
  auto byte = [&text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(index);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xC2 && first <= 0xDF ? 2 :
                        first >= 0xE0 && first <= 0xEF ? 3 :
                        first >= 0xF0 && first <= 0xF4 ? 4 :
                                                         0;
  // No overlong forms, no surrogates, nothing beyond U+10FFFF.
  const unsigned second = byte(index + 1);
  if (
    (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
    (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(index + i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  return length;
}


size_t findInvalid(const string& text)
{
  for (size_t i = 0, length; i < text.size(); i += length) {
    if ((length = sequenceLength(text, i)) == 0) {
      return i;
    }
  }
  return string::npos;
}


string jsonString(const string& text)
{
  using nlohmann::json;
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}


string secondsText(double seconds)
{
  char buffer[64];
  snprintf(buffer, sizeof(buffer), "%.3f", seconds);
  return buffer;
}


string shortSeconds(double seconds)
{
  string text = secondsText(seconds);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') {
    text.pop_back();
  }
  return text;
}


string quote(const string& name)
{
  constexpr size_t SHOWN = 64;
  const string unreserved = string(ALPHANUMERIC) + "-._~";
  string result = "\"";
  for (const char c : name.substr(0, SHOWN)) {
    if (unreserved.find(c) != string::npos) {
      result += c;
    } else {
      char buffer[8];
      snprintf(buffer, sizeof(buffer), "%%%02X", static_cast<unsigned char>(c));
      result += buffer;
    }
  }
  return result + (name.size() > SHOWN ? "\xE2\x80\xA6\"" : "\"");
}


// The last `MAX_STDERR_BYTES` bytes, without the continuation bytes that they
// may start with.
static string last(const string& text)
{
  if (text.size() <= MAX_STDERR_BYTES) {
    return text;
  }
  size_t start = text.size() - MAX_STDERR_BYTES;
  for (int i = 0; i < 3 && (text[start] & 0xC0) == 0x80; ++i) {
    ++start;
  }
  return text.substr(start);
}


string stderrTail(const string& text)
{
  const string kept = last(text);
  if (findInvalid(kept) == string::npos) {
    return kept;
  }
  string result;
  for (size_t i = 0; i < kept.size();) {
    const size_t length = sequenceLength(kept, i);
    result += length == 0 ? "\xEF\xBF\xBD" : kept.substr(i, length);
    i += length == 0 ? 1 : length;
  }
  return last(result);
}

} // namespace command {
