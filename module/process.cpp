#include "process.hpp"

#include <process/help.hpp>

#include <stout/foreach.hpp>

#include "core/match.hpp"
#include "core/text.hpp"

#include "requestid.hpp"

using std::string;
using std::vector;

using process::Future;

using process::http::Pipe;
using process::http::Request;
using process::http::Response;

using process::http::authentication::Principal;

namespace command {

// Whether the head declares a body of more than `limit` bytes.
static bool declaresMore(const Request& request, int64_t limit)
{
  string digits;
  foreach (char c, request.headers.get("Content-Length").getOrElse("")) {
    if (c != ' ') { // http-parser lets blanks stand between the digits.
      digits += c;
    }
  }
  return !digits.empty() &&
         (digits.size() > 18 || std::stoll("0" + digits) > limit);
}


static string describe(const Route& route)
{
  vector<string> lines = {
    join(route.methods, ", ") + " runs `" + route.process + route.path +
    "`, for " + shortSeconds(route.timeout) +
    " seconds at most; the query may ask for less with `timeout`."};
  for (const auto& [name, parameter] : route.parameters) {
    lines.push_back(
      "`" + name + "` (" + parameter.type.kind +
      (parameter.inPath ? ", in the path" : "") +
      (parameter.required ? ", required" : "") + "): " + parameter.help);
  }
  return join(lines, "\n\n");
}


TableProcess::TableProcess(
  const Table& table, const Environment& overrides, Spool* spool)
  : ProcessBase(table.process), service(table, overrides, spool)
{
}


void TableProcess::initialize()
{
  RouteOptions options;
  options.requestStreaming = true; // So that bodies are limited as they come.

  for (const auto& [path, methods] : service.table.paths) {
    // All routes of a path are in one realm.
    const Route& route = service.table.routes[methods.front().second];
    vector<string> descriptions;
    std::set<size_t> described;
    for (const auto& [method, index] : methods) {
      if (described.insert(index).second) {
        descriptions.push_back(describe(service.table.routes[index]));
      }
    }
    const string help = process::HELP(
      process::TLDR(route.help.empty() ? "Runs a command." : route.help),
      process::DESCRIPTION(join(descriptions, "\n\n")),
      process::AUTHENTICATION(route.realm.has_value()));
    if (route.realm) {
      this->route(
        route.path, *route.realm, help,
        [this](const Request& request, const Option<Principal>& principal) {
          return handle(request, principal);
        },
        options);
    } else {
      this->route(
        route.path, help,
        [this](const Request& request) { return handle(request, None()); },
        options);
    }
  }
}


Future<Response> TableProcess::handle(
  const Request& request, const Option<Principal>& principal)
{
  Pipe::Reader reader = request.reader.get();
  auto refuse = [&reader](const Answer& answer) {
    reader.close(); // Else the rest of the body would be kept for nobody.
    return toResponse(answer);
  };

  const Match found = match({&service.table}, request.method, request.url.path);
  if (found.methods == nullptr) {
    reader.close();
    return process::http::NotFound();
  }
  if (found.route == nullptr) {
    vector<string> allowed;
    for (const auto& entry : *found.methods) {
      allowed.push_back(entry.first);
    }
    return refuse(methodNotAllowed(allowed, request.method));
  }

  const Route& route = *found.route;
  const string requestId = readRequestId(request);
  auto built = build(route, request.url.query, found.rest);
  if (const Refusal* refusal = std::get_if<Refusal>(&built)) {
    ++service.places.at(&route)->refused;
    return refuse(refusalAnswer(*refusal, requestId));
  }
  if (declaresMore(request, route.maxBody)) {
    ++service.places.at(&route)->refused;
    return refuse(refusalAnswer(bodyTooLarge(route), requestId));
  }
  return std::make_shared<Exchange>(
           &service, route, std::get<Arguments>(built), request.method,
           requestId, principal.isSome() ? principal->value : None(),
           request.client)
    ->start(reader);
}

} // namespace command {
