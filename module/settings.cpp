#include "settings.hpp"

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <variant>

#include <stout/path.hpp>
#include <stout/try.hpp>
#include <stout/os/ls.hpp>
#include <stout/os/stat.hpp>

#include "core/formatting.hpp"

using std::map;
using std::string;
using std::vector;

namespace command {

// One byte more than a table may have (ABI-TABLE-7).
constexpr size_t READ_BYTES = (1 << 20) + 1;


// The files that a parameter `routes` names.
static Try<vector<string>> listFiles(const string& routes)
{
  if (!os::stat::isdir(routes)) {
    return vector<string>{routes};
  }
  const Try<std::list<string>> entries = os::ls(routes);
  if (entries.isError()) {
    return Error(entries.error());
  }
  vector<string> files;
  for (const string& entry : entries.get()) {
    // Hidden ones are what editors and mounted configurations leave.
    if (strings::endsWith(entry, ".json") && !strings::startsWith(entry, ".")) {
      files.push_back(path::join(routes, entry));
    }
  }
  if (files.empty()) {
    return Error("there is no file *.json in this directory");
  }
  std::sort(files.begin(), files.end());
  return files;
}


// What is in a file, of a larger one no more than tells that it is too large.
// Waits for nobody: what is no regular file might never end, or never begin.
static Try<string> readFile(const string& file)
{
  const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return ErrnoError();
  }
  struct stat status;
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return Error("it is not a regular file");
  }
  string text(READ_BYTES, '\0');
  size_t size = 0;
  ssize_t count;
  while ((count = ::read(fd, &text[size], text.size() - size)) > 0) {
    size += count;
  }
  const ErrnoError failure;
  ::close(fd);
  if (count < 0) {
    return failure;
  }
  text.resize(size);
  return text;
}


static void readTable(
  const string& file, map<string, Table>* tables, vector<string>* errors)
{
  const Try<string> text = readFile(file);
  if (text.isError()) {
    errors->push_back(file + ": " + text.error());
    return;
  }
  const auto parsed = parse(text.get(), file);
  if (const auto* mistakes = std::get_if<vector<Mistake>>(&parsed)) {
    for (const Mistake& mistake : *mistakes) {
      errors->push_back(mistake.text());
    }
    return;
  }
  const Table& table = std::get<Table>(parsed);
  if (!tables->emplace(table.process, table).second) {
    errors->push_back(
      file + ": /process: another table serves \"" + table.process +
      "\" already");
  }
}


// Sets what one parameter says; returns what is wrong with it, if anything is.
static string read(const string& name, const string& value, Settings* settings)
{
  if (name == "spool_dir") {
    settings->spoolDirectory = value;
    return "";
  }
  if (name == "spool_limit") {
    const Try<Bytes> limit = Bytes::parse(value);
    if (limit.isError() || limit.get() == 0) {
      return "a size such as 8GB or 512MB, above 0";
    }
    settings->spoolLimit = limit.get();
    return "";
  }
  if (name == "environment") {
    const vector<string> parts = split(value, '=', 1);
    if (parts.size() < 2 || !isVariable(parts[0])) {
      return "NAME=VALUE, where a name has letters, digits and _";
    }
    if (startsWith(parts[0], "ABI_")) {
      return "variables that start with ABI_ are set by the host";
    }
    settings->environment[parts[0]] = parts[1];
    return "";
  }
  if (name == "unguarded") {
    settings->open = value == "allow";
    return value == "allow" || value == "refuse" ? "" : "allow or refuse";
  }
  if (name == "allow_host") {
    settings->names.push_back(value);
    return value.empty() || value.find_first_of(":/ ") != string::npos ?
             "a name without a port, such as agent-1.example" :
             "";
  }
  return "there is no such parameter; there are: routes, spool_dir, "
         "spool_limit, environment, unguarded, allow_host";
}


Settings readSettings(const Parameters& parameters, vector<string>* errors)
{
  Settings settings;
  vector<string> routes;
  for (const auto& [name, value] : parameters) {
    if (name == "routes") {
      routes.push_back(value);
      continue;
    }
    const string reason = read(name, value, &settings);
    if (!reason.empty()) {
      errors->push_back("parameter " + name + " '" + value + "': " + reason);
    }
  }
  if (routes.empty()) {
    errors->push_back(
      "parameter routes: a route table, or a directory of them, is required");
  }
  for (const string& route : routes) {
    const Try<vector<string>> files = listFiles(route);
    if (files.isError()) {
      errors->push_back("parameter routes '" + route + "': " + files.error());
      continue;
    }
    for (const string& file : files.get()) {
      readTable(file, &settings.tables, errors);
    }
  }
  return settings;
}

} // namespace command {
