// How the core writes: JSON, times, names from the network, the end of stderr.
//
// Every implementation of the ABI gives the same bytes: JSON without spaces,
// UTF-8 as it is, escapes only where JSON demands.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace command {

// Bytes of stderr that are shown. A caller needs to keep one more.
constexpr size_t MAX_STDERR_BYTES = 4096;

constexpr char LETTERS[] =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr char DIGITS[] = "0123456789";
constexpr char ALPHANUMERIC[] =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// Whether all bytes of `text` are among `allowed`.
bool consistsOf(const std::string& text, const std::string& allowed);

bool startsWith(const std::string& text, const std::string& prefix);

std::string join(
  const std::vector<std::string>& words, const std::string& separator);

// Splits at every `separator`, into `limit` + 1 pieces at most.
std::vector<std::string> split(
  const std::string& text, char separator, size_t limit = std::string::npos);

// The index of the first byte that belongs to no well-formed sequence, `npos`
// if the text is UTF-8.
size_t findInvalid(const std::string& text);

std::string jsonString(const std::string& text); // Of UTF-8.

// Seconds with three decimals, as JSON and ABI_DEADLINE have them.
std::string secondsText(double seconds);

// Seconds for a sentence: at most three decimals, no needless zeros.
std::string shortSeconds(double seconds);

// A name from the network for a sentence: its first 64 bytes,
// percent-encoded; a longer name ends in an ellipsis.
std::string quote(const std::string& name);

// The end of what a command wrote to stderr: at most `MAX_STDERR_BYTES` bytes
// of UTF-8, each byte that belongs to no well-formed sequence as U+FFFD.
std::string stderrTail(const std::string& text);

} // namespace command {
