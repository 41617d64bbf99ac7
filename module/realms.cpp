#include "realms.hpp"

#include <vector>

#include <process/collect.hpp>
#include <process/http.hpp>
#include <process/process.hpp>

#ifdef USE_SSL_SOCKET
#include <process/ssl/flags.hpp>
#endif

#include <stout/foreach.hpp>

#include "core/status_names.hpp"

using std::map;
using std::set;
using std::string;
using std::vector;

using process::Future;

using process::http::Response;

namespace command {

// How long an answer of this very program may take.
constexpr Duration MAX_ANSWER_TIME = Seconds(5);


static string scheme()
{
#ifdef USE_SSL_SOCKET
  if (process::network::openssl::flags().enabled) {
    return "https";
  }
#endif
  return "http";
}


// A method that the path does not have, so that nothing is started.
static string unusedMethod(const vector<std::pair<string, size_t>>& methods)
{
  set<string> unused = METHODS;
  unused.erase("HEAD"); // Its answers have bodies, which confuses the client.
  for (const auto& [method, index] : methods) {
    unused.erase(method);
  }
  return unused.empty() ? "" : *unused.begin();
}


// The realm of a path if the path is guarded, else an empty text.
static Future<string> ask(
  const string& path, const string& method, const string& realm)
{
  process::http::Request request;
  request.method = method;
  request.url = process::http::URL(
    scheme(), process::address().ip, process::address().port, path);
  return process::http::request(request)
    .after(
      MAX_ANSWER_TIME,
      [](Future<Response> answer) -> Future<Response> {
        answer.discard();
        return process::Failure("no answer");
      })
    .then([realm](const Response& answer) {
      return answer.code == process::http::Status::UNAUTHORIZED ? realm : "";
    })
    .repair([](const Future<string>&) { return string(); });
}


Future<set<string>> findGuardedRealms(const map<string, Table>& tables)
{
  set<string> asked;
  vector<Future<string>> answers;
  for (const auto& entry : tables) {
    const Table& table = entry.second;
    for (const auto& [path, methods] : table.paths) {
      const Route& route = table.routes[methods.front().second];
      const string method = unusedMethod(methods);
      if (route.realm && !method.empty() && asked.insert(*route.realm).second) {
        answers.push_back(
          ask("/" + table.process + route.path, method, *route.realm));
      }
    }
  }
  return process::collect(answers).then([](const vector<string>& realms) {
    set<string> guarded(realms.begin(), realms.end());
    guarded.erase("");
    return guarded;
  });
}

} // namespace command {
