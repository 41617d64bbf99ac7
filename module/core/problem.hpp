// Mistakes in a route table: what is wrong, where, and how it is collected.
//
// A reader of a table reports every mistake, not the first one. A mistake has
// a `code` that programs compare and a `reason` that people read; only the
// code is contract.

#ifndef __COMMAND_CORE_PROBLEM_HPP__
#define __COMMAND_CORE_PROBLEM_HPP__

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/document.hpp"

namespace command {

// Integers beyond this lose digits in programs that read JSON numbers as
// doubles (RFC 8259, 6).
constexpr int64_t MAX_INTEGER = (int64_t(1) << 53) - 1;

struct Problem
{
  std::string file;
  std::string place; // A JSON pointer (RFC 6901), empty for the whole file.
  std::string code;
  std::string reason;

  // `file: place: reason` in one line that a terminal can show.
  std::string text() const;
};


// The JSON pointer of `key` inside the value at `place`.
std::string member(const std::string& place, const std::string& key);
std::string member(const std::string& place, size_t index);


// Collects the problems of one file while its values are read. The reading
// methods return the value, or nothing after having said why it is of no use.
class Findings
{
public:
  explicit Findings(const std::string& _file) : file(_file) {}

  void add(
    const std::string& place,
    const std::string& code,
    const std::string& reason);

  // What was found, sorted by place.
  std::vector<Problem> sorted() const;

  size_t count() const { return problems.size(); }

  // An object that has the `required` fields and, with `known`, no others.
  const Value* object(
    const std::string& place,
    const Value* value,
    const std::vector<std::string>* known = nullptr,
    const std::vector<std::string>& required = {});

  // A list of `minimum` to `maximum` elements.
  const Value* list(
    const std::string& place,
    const Value* value,
    size_t minimum,
    size_t maximum);

  // A string without NUL, which no argument, path or variable can hold.
  const std::string* string(const std::string& place, const Value* value);

  // One of a few strings.
  const std::string* choice(
    const std::string& place,
    const Value* value,
    const std::vector<std::string>& choices);

  std::optional<bool> boolean(const std::string& place, const Value* value);

  // A number written without fraction or exponent.
  std::optional<int64_t> integer(
    const std::string& place,
    const Value* value,
    int64_t minimum,
    int64_t maximum);

  // A time in seconds: 0.001 to `maximum`, or 0 where `zero` allows it.
  std::optional<double> seconds(
    const std::string& place,
    const Value* value,
    int maximum,
    bool zero = false);

private:
  void wrongType(
    const std::string& place, const Value* value, const std::string& wanted);

  std::string file;
  std::vector<Problem> problems;
};

} // namespace command {

#endif // __COMMAND_CORE_PROBLEM_HPP__
