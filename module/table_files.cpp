#include "table_files.hpp"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <variant>

#include <stout/foreach.hpp>
#include <stout/path.hpp>
#include <stout/strings.hpp>
#include <stout/try.hpp>
#include <stout/os/ls.hpp>
#include <stout/os/stat.hpp>

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
  foreach (const string& entry, entries.get()) {
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
    return Error(::strerror(errno));
  }
  struct stat status;
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return Error("it is not a regular file");
  }
  string text(READ_BYTES, '\0');
  size_t size = 0;
  ssize_t count;
  do {
    count = ::read(fd, &text[size], text.size() - size);
    size += count > 0 ? count : 0;
  } while (count > 0 || (count < 0 && errno == EINTR));
  const int failure = count < 0 ? errno : 0;
  ::close(fd);
  if (failure != 0) {
    return Error(::strerror(failure));
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
    foreach (const Mistake& mistake, *mistakes) {
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


map<string, Table> readTables(
  const vector<string>& routes, vector<string>* errors)
{
  map<string, Table> tables;
  foreach (const string& route, routes) {
    const Try<vector<string>> files = listFiles(route);
    if (files.isError()) {
      errors->push_back("parameter routes '" + route + "': " + files.error());
      continue;
    }
    foreach (const string& file, files.get()) {
      readTable(file, &tables, errors);
    }
  }
  return tables;
}

} // namespace command {
