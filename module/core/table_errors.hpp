// Mistakes in a route table: what is wrong, where, and how it is collected.
//
// A mistake has a `code` that programs compare and a `reason` that people
// read; only the code is contract.

#pragma once

#include <string>
#include <vector>

namespace command {

struct Mistake
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


class Mistakes
{
public:
  explicit Mistakes(const std::string& _file) : file(_file) {}

  void add(
    const std::string& place,
    const std::string& code,
    const std::string& reason);

  // Sorted by place.
  std::vector<Mistake> sorted() const;

  size_t count() const { return mistakes.size(); }

private:
  std::string file;
  std::vector<Mistake> mistakes;
};

} // namespace command {
