#include "table_process.hpp"

#include <process/help.hpp>

#include <stout/strings.hpp>


#include "core/formatting.hpp"
#include "core/route_match.hpp"

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
  // http-parser lets blanks stand between the digits.
  const string digits =
    strings::remove(request.headers.get("Content-Length").getOrElse(""), " ");
  return !digits.empty() &&
         (digits.size() > 18 || std::stoll("0" + digits) > limit);
}


// The request's own id if it has a proper one, else a random one.
static string readRequestId(const Request& request)
{
  const string id = request.headers.get("X-Request-Id").getOrElse("");
  return !id.empty() && id.size() <= 64 &&
             consistsOf(id, string(ALPHANUMERIC) + "._-") ?
           id :
           randomRequestId();
}


static string describe(const Route& route)
{
  vector<string> lines = {
    join(route.methods, ", ") + " runs `" + route.process + route.path +
    "`, for " + shortSeconds(route.timeout) +
    " seconds at most; the query may ask for less with `timeout`."};
  for (const auto& [name, parameter] : route.parameters) {
    lines.push_back(
      "`" + name + "` (" +
      KIND_NAMES[static_cast<size_t>(parameter.type.kind)] +
      (parameter.inPath ? ", in the path" : "") +
      (parameter.required ? ", required" : "") + "): " + parameter.help);
  }
  return join(lines, "\n\n");
}


TableProcess::TableProcess(
  const Table& table,
  const Environment& overrides,
  Spool* spool,
  const Access* _access)
  : ProcessBase(table.process), served(table, overrides, spool), access(_access)
{
}


void TableProcess::initialize()
{
  RouteOptions options;
  options.requestStreaming = true; // So that bodies are limited as they come.

  for (const auto& [path, methods] : served.table.paths) {
    // All routes of a path are in one realm.
    const Route& route = served.table.routes[methods.front().second];
    vector<string> descriptions;
    for (const Route& other : served.table.routes) {
      if (other.path == route.path) {
        descriptions.push_back(describe(other));
      }
    }
    const string help = process::HELP(
      process::TLDR(route.help.empty() ? "Runs a command." : route.help),
      process::DESCRIPTION(join(descriptions, "\n\n")),
      process::AUTHENTICATION(route.realm.has_value()));
    if (route.realm) {
      this->route(
        route.path, *route.realm, help, &TableProcess::handle, options);
    } else {
      this->route(
        route.path, help,
        [this](const Request& request) { return handle(request, None()); },
        options);
    }
  }
}


template <typename T>
static std::optional<T> toOptional(const Option<T>& option)
{
  return option.isSome() ? std::make_optional(option.get()) : std::nullopt;
}


Future<Response> TableProcess::handle(
  const Request& request, const Option<Principal>& authenticated)
{
  Pipe::Reader reader = request.reader.get();
  const string requestId = readRequestId(request);
  const Route* route = nullptr;
  auto respond = [&reader](const Answer& answer) {
    reader.close(); // Else the rest of the body would be kept for nobody.
    return toResponse(answer);
  };
  auto refuse = [&](const Refusal& refusal) {
    if (route != nullptr) {
      ++served.state(*route).refused;
    }
    return respond(refusalAnswer(refusal, requestId));
  };

  const Match found = match({&served.table}, request.method, request.url.path);
  if (found.methods == nullptr) {
    reader.close();
    return process::http::NotFound();
  }
  route = found.route;
  const std::optional<string> principal =
    authenticated.isSome() ? toOptional(authenticated->value) : std::nullopt;
  const SiteHeaders headers = {
    toOptional(request.headers.get("Sec-Fetch-Site")),
    toOptional(request.headers.get("Origin")),
    toOptional(request.headers.get("Host"))};
  if (
    const auto refusal = refusePath(
      served.table.routes[found.methods->front().second].realm, principal,
      headers, *access)) {
    return refuse(*refusal);
  }
  if (route == nullptr) {
    vector<string> allowed;
    for (const auto& entry : *found.methods) {
      allowed.push_back(entry.first);
    }
    return respond(methodNotAllowed(allowed, request.method));
  }
  if (const auto refusal = refuseRoute(*route, principal)) {
    return refuse(*refusal);
  }
  auto built = build(*route, request.url.query, found.rest);
  if (const Refusal* refusal = std::get_if<Refusal>(&built)) {
    return refuse(*refusal);
  }
  if (declaresMore(request, route->maxBody)) {
    return refuse(bodyTooLarge(*route));
  }
  CommandRequest command = {
    *route,         std::get<CommandLine>(std::move(built)),
    request.method, requestId,
    principal,      request.client};
  return std::make_shared<CommandExchange>(&served, std::move(command))
    ->start(reader);
}

} // namespace command {
