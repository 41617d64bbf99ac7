#include "core/percent_encoding.hpp"

#include "core/formatting.hpp"

using std::string;

namespace command {

std::optional<string> unescape(const string& text)
{
  constexpr char HEXADECIMAL[] = "0123456789abcdefABCDEF";
  string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const string digits = text.substr(i + 1, 2);
    if (digits.size() < 2 || !consistsOf(digits, HEXADECIMAL)) {
      return std::nullopt;
    }
    result += static_cast<char>(std::stoi(digits, nullptr, 16));
    i += 2;
  }
  return result;
}

} // namespace command {
