// The types of parameters, and which bytes are a value of each.

#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

namespace command {

// The type of a parameter. Lengths are in bytes.
struct Type
{
  enum class Kind { STRING, INTEGER, BOOLEAN, ENUM, LIST };

  Kind kind = Kind::STRING;
  int64_t minimum = 0; // Of a string's length, an integer, a list's items.
  int64_t maximum = 0;
  bool unicode = false; // A string may have any UTF-8 beyond ASCII.
  std::bitset<256> characters; // The bytes that a string may have.
  std::vector<std::string> prefixes; // A string has one of them, if any.
  std::string flag; // What a true boolean is in argv.
  std::vector<std::string> values; // Of an enum.
  std::vector<Type> items; // Exactly one, of a list.
};


// How tables write the kinds, in the order of `Kind`.
extern const std::vector<std::string> KIND_NAMES;

// Adds the argv elements that `value` stands for, none for a boolean that is
// false. Returns what is wrong with it, empty if nothing is.
std::string judge(
  const Type& type,
  const std::string& value,
  std::vector<std::string>* elements);

} // namespace command {
