// A route table's bytes -> JSON values, stricter than JSON parsers are by
// themselves.
//
// RFC 8259 leaves open what duplicate names, lone surrogates, huge numbers
// and deep nesting mean, and parsers differ; what they could read differently
// is refused, so that two hosts always see one table.

#ifndef __COMMAND_CORE_DOCUMENT_HPP__
#define __COMMAND_CORE_DOCUMENT_HPP__

#include <cstdint>
#include <string>
#include <vector>

namespace command {

class Findings;
struct Member;

struct Value
{
  enum Kind { NUL, BOOLEAN, INTEGER, REAL, STRING, LIST, OBJECT };

  // The member of that name, null if there is none.
  const Value* find(const std::string& name) const;

  Kind kind = NUL;
  bool boolean = false;
  int64_t integer = 0; // Written without fraction and exponent, fits.
  double real = 0; // Every other number; finite.
  std::string text;
  std::vector<Value> items;
  std::vector<Member> members; // In order.
};


struct Member
{
  std::string name;
  Value value;
};


// The value in `text`, to be used only if nothing was added to `findings`.
Value read(const std::string& text, Findings* findings);

} // namespace command {

#endif // __COMMAND_CORE_DOCUMENT_HPP__
