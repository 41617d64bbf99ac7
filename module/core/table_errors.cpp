#include "core/table_errors.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/formatting.hpp"

using std::vector;

namespace command {

std::string Mistake::text() const
{
  std::string result;
  for (const char c :
       file + ": " + (place.empty() ? "/" : place) + ": " + reason) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      char buffer[8];
      snprintf(buffer, sizeof(buffer), "\\x%02x", c);
      result += buffer;
    } else {
      result += c;
    }
  }
  return result;
}


std::string member(const std::string& place, const std::string& key)
{
  std::string result = place + "/";
  for (const char c : key) {
    result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return result;
}


void Mistakes::add(
  const std::string& place, const std::string& code, const std::string& reason)
{
  mistakes.push_back({file, place, code, reason});
}


// Pointers are compared token by token; indexes come before names, and are
// compared as numbers.
static vector<std::pair<size_t, std::string>> order(const std::string& place)
{
  vector<std::pair<size_t, std::string>> result;
  for (const std::string& token : split(place, '/')) {
    const bool index = !token.empty() && consistsOf(token, DIGITS);
    result.emplace_back(index ? token.size() : SIZE_MAX, token);
  }
  return result;
}


vector<Mistake> Mistakes::sorted() const
{
  vector<Mistake> result = mistakes;
  std::stable_sort(
    result.begin(), result.end(), [](const Mistake& a, const Mistake& b) {
      return std::make_pair(order(a.place), a.code) <
             std::make_pair(order(b.place), b.code);
    });
  return result;
}

} // namespace command {
