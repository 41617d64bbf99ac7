#include "core/route_match.hpp"

#include <algorithm>

#include "core/formatting.hpp"
#include "core/percent_encoding.hpp"

using std::optional;
using std::string;
using std::vector;

namespace command {

static string strip(const string& text)
{
  const size_t begin = text.find_first_not_of('/');
  const size_t end = text.find_last_not_of('/');
  return begin == string::npos ? "" : text.substr(begin, end + 1 - begin);
}


Match match(
  const vector<const Table*>& tables, const string& method, const string& path)
{
  Match result;
  if (path.find("/..") != string::npos || !startsWith(path, "/")) {
    return result;
  }
  const size_t begin = path.find_first_not_of('/');
  if (begin == string::npos) {
    return result;
  }
  const string first = path.substr(begin, path.find('/', begin) - begin);
  // http::decode also turns + into a space; no process id has either.
  const optional<string> process =
    first.find('+') == string::npos ? unescape(first) : std::nullopt;
  const auto table = std::find_if(
    tables.begin(), tables.end(), [&process](const Table* candidate) {
      return candidate->process == process;
    });
  if (table == tables.end()) {
    return result;
  }
  // Behind a doubled first slash libprocess does not find the id, and so does
  // not drop it.
  const string rest =
    strip(startsWith(path, "/" + first) ? path.substr(1 + first.size()) : path);
  string name = rest;
  auto routes = (*table)->paths.find(name);
  while (routes == (*table)->paths.end()) {
    const size_t slash = name.rfind('/');
    if (slash == string::npos) {
      return result;
    }
    name.erase(name.find_last_not_of('/', slash) + 1);
    routes = (*table)->paths.find(name);
  }
  result.table = *table;
  result.methods = &routes->second;
  for (const auto& [allowed, index] : routes->second) {
    if (allowed == method) {
      result.route = &(*table)->routes[index];
    }
  }
  result.rest = rest.substr(std::min(name.size() + 1, rest.size()));
  return result;
}

} // namespace command {
