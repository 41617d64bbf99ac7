// Route tables: the JSON file that says which command line each route runs,
// and how.
//
// `parse` is all or nothing: a table with any mistake is refused as a whole,
// with all its mistakes, so that no host ever serves half of one.

#ifndef __COMMAND_CORE_TABLE_HPP__
#define __COMMAND_CORE_TABLE_HPP__

#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/node.hpp"
#include "core/problem.hpp"

namespace command {

constexpr int ABI_VERSION = 1;

// Every query may ask for a shorter time-out; no parameter has that name.
constexpr char TIMEOUT[] = "timeout";

// The type of a parameter. Lengths are in bytes.
struct Type
{
  std::string kind; // "string", "integer", "boolean", "enum" or "list".
  int64_t minimum = 0; // Of a string's length, an integer, a list's items.
  int64_t maximum = 0;
  bool unicode = false; // A string may have any UTF-8 beyond ASCII.
  std::bitset<256> characters; // The bytes that a string may have.
  std::vector<std::string> prefixes; // A string has one of them, if any.
  std::string flag; // What a true boolean is in argv.
  std::vector<std::string> values; // Of an enum.
  std::vector<Type> items; // Exactly one, of a list.
};


struct Parameter
{
  std::string name;
  bool inPath = false; // The rest of the path, not a key of the query.
  bool required = false;
  Type type;
  std::string help;
};


// An element of argv: a literal, or `prefix` and the value of a parameter,
// once for each of its items.
struct Element
{
  std::string prefix;
  std::string parameter; // Empty for a literal.
};


// What a route's commands may use, how long, and how the answer is given.
// Times are in seconds, sizes in bytes.
struct Policy
{
  std::string stdin_ = "none";
  int64_t maxBody = -1; // -1 and an empty type: not said in the table.
  std::string type;
  std::string delivery = "whole";
  int64_t maxBytes = -1;
  double timeout = 60;
  std::optional<double> idleTimeout;
  double grace = 5;
  int64_t concurrency = 64;
  int64_t queueLength = 0;
  double queueSeconds = 10;
  std::string disconnect = "kill";
  std::map<std::string, int64_t> limits; // By their names in the table.
  std::string workingDirectory = "/";
  std::optional<std::string> realm;
  std::vector<std::string> principals; // Who may call it; none: everybody.
  std::map<int, int> statuses; // HTTP statuses by exit code.
};


struct Route : Policy
{
  std::string process;
  std::string path;
  std::vector<std::string> methods;
  std::vector<Element> argv;
  std::map<std::string, Parameter> parameters;
  std::string help;
};


struct Table
{
  std::string process;
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;
  std::vector<Route> routes;

  // Of each path without its first slash, the methods in the table's order,
  // and indexes of `routes`.
  std::map<std::string, std::vector<std::pair<std::string, size_t>>> paths;
};


// The table in `text`, the bytes of `file` (which only names it in problems),
// or all its mistakes.
std::variant<Table, std::vector<Problem>> parse(
  const std::string& text, const std::string& file);


// The parts of `parse`, one file each.

// The declarations of some parameters; a broken one is left out.
std::map<std::string, Parameter> readParameters(
  const std::map<std::string, Node>& declared, const Findings& findings);

// A field `help`, empty if there is none.
std::string readHelp(const Node& node);

// Whether `text` is what may stand between `--` and `=`.
bool isOptionName(const std::string& text);

// Sets what the policy fields of an object say.
void readPolicy(const Node& node, Policy* policy);

// Sets what depends on other fields of a route.
void resolve(const Node& route, Policy* policy);

} // namespace command {

#endif // __COMMAND_CORE_TABLE_HPP__
