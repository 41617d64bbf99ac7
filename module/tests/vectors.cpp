// Runs the core over files of fixtures/vectors and prints what it gives, one
// line of JSON for each case: {"subject": …, "name": …, "result": …}.
//
// Results have the form of the file's `expect`, but bytes are in hexadecimal.
// Query strings are decoded by libprocess; where this was built without it,
// those cases are left out.

#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#ifdef COMMAND_WITH_LIBPROCESS
#include <process/http.hpp>
#endif

#include "core/access.hpp"
#include "core/answer.hpp"
#include "core/argv.hpp"
#include "core/environment.hpp"
#include "core/exit_record.hpp"
#include "core/route_match.hpp"
#include "core/route_table.hpp"
#include "core/status_names.hpp"

using std::map;
using std::optional;
using std::string;
using std::vector;

using nlohmann::json;

using namespace command;


// Bytes in one of the forms that fixtures/vectors/README.md describes.
static string octets(const json& value)
{
  if (value.is_string()) {
    return value;
  }
  string result;
  if (value.contains("percent")) {
    const string text = value["percent"];
    for (size_t i = 0; i < text.size(); ++i) {
      const bool escaped = text[i] == '%' && i + 2 < text.size() &&
                           isxdigit(text[i + 1]) && isxdigit(text[i + 2]);
      result +=
        escaped ?
          static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)) :
          text[i];
      i += escaped ? 2 : 0;
    }
  } else if (value.contains("repeat")) {
    for (int i = 0; i < value["times"].get<int>(); ++i) {
      result += octets(value["repeat"]);
    }
  } else {
    for (const json& part : value.at("concat")) {
      result += octets(part);
    }
  }
  return result;
}


static json hex(const string& bytes)
{
  string result;
  for (const unsigned char byte : bytes) {
    result += "0123456789abcdef"[byte >> 4];
    result += "0123456789abcdef"[byte & 15];
  }
  return result;
}


template <typename T>
static json orNull(const optional<T>& value)
{
  return value ? json(*value) : json();
}


static Outcome readOutcome(const json& value)
{
  Outcome outcome;
  outcome.requestId = value.value("request_id", "r-1");
  outcome.reason = value["reason"];
  if (value.contains("exit_code") && !value["exit_code"].is_null()) {
    outcome.exitCode = value["exit_code"].get<int>();
  }
  if (value.contains("signal") && !value["signal"].is_null()) {
    outcome.signal = value["signal"].get<int>();
  }
  outcome.seconds = value.value("seconds", 0.5);
  outcome.timeout = value.value("timeout", 60.0);
  outcome.stderr_ = octets(value.value("stderr", json("")));
  outcome.detail = value.value("detail", "");
  return outcome;
}


static json show(const Answer& answer)
{
  return {
    {"status", answer.status},
    {"headers", answer.headers},
    {"body", answer.body ? hex(*answer.body) : json()}};
}


static json showTable(const std::variant<Table, vector<Mistake>>& parsed)
{
  json result = json::object();
  if (std::holds_alternative<vector<Mistake>>(parsed)) {
    for (const Mistake& mistake : std::get<1>(parsed)) {
      result["problems"].push_back({mistake.place, mistake.code});
    }
    return result;
  }
  const Table& table = std::get<Table>(parsed);
  result["table"] = {
    {"process", table.process},
    {"command", table.command},
    {"environment", table.environment}};
  for (const Route& route : table.routes) {
    map<string, int> statuses;
    for (const auto& [code, status] : route.statuses) {
      statuses[std::to_string(code)] = status;
    }
    result["routes"].push_back({
      {"path", route.path},
      {"methods", route.methods},
      {"stdin", route.stdin_},
      {"max_body", route.maxBody},
      {"type", route.type},
      {"delivery", route.delivery},
      {"max_bytes", route.maxBytes},
      {"timeout", route.timeout},
      {"idle_timeout", orNull(route.idleTimeout)},
      {"grace", route.grace},
      {"concurrency", route.concurrency},
      {"queue_length", route.queueLength},
      {"queue_seconds", route.queueSeconds},
      {"disconnect", route.disconnect},
      {"limits", route.limits},
      {"working_directory", route.workingDirectory},
      {"realm", orNull(route.realm)},
      {"principals", route.principals},
      {"statuses", statuses},
      {"help", route.help},
    });
  }
  return result;
}


using Tables = map<string, Table>;


static const Route& findRoute(const Table& table, const string& path)
{
  for (const Route& route : table.routes) {
    if (route.path == path) {
      return route;
    }
  }
  throw std::runtime_error("no route " + path);
}


static json runTable(const json& file, const json& item)
{
  return showTable(parse(
    item.contains("text") ? octets(item["text"]) :
                            file["base"].patch(item["patch"]).dump(),
    "t.json"));
}


static json runMatch(const Tables& tables, const json& item)
{
  vector<const Table*> served;
  for (const json& name : item["tables"]) {
    served.push_back(&tables.at(name.get<string>()));
  }
  const Match found = match(served, item["method"], octets(item["path"]));
  if (found.methods == nullptr) {
    return {{"not_found", true}};
  }
  if (found.route == nullptr) {
    vector<string> allowed;
    for (const auto& entry : *found.methods) {
      allowed.push_back(entry.first);
    }
    const size_t first = found.methods->front().second;
    return {
      {"allowed", allowed},
      {"realm", orNull(found.table->routes[first].realm)}};
  }
  return {
    {"process", found.table->process},
    {"route", found.route - found.table->routes.data()},
    {"rest", hex(found.rest)}};
}


static json runArgv(const Tables& tables, const json& item)
{
  std::unordered_map<string, string> query;
  for (const json& pair : item.value("query", json::array())) {
    query[octets(pair[0])] = octets(pair[1]);
  }
  const auto built = build(
    findRoute(tables.at(item["table"]), item["route"]), query,
    octets(item.value("rest", json(""))));
  if (std::holds_alternative<Refusal>(built)) {
    const Refusal& refusal = std::get<Refusal>(built);
    return {
      {"status", REASONS.at(refusal.reason).status},
      {"reason", refusal.reason},
      {"detail", refusal.detail}};
  }
  const CommandLine& line = std::get<CommandLine>(built);
  json arguments = json::array();
  for (const string& argument : line.arguments) {
    arguments.push_back(hex(argument));
  }
  return {{"arguments", arguments}, {"timeout", line.timeout}};
}


static json runAnswer(const Tables& tables, const json& item)
{
  const Route& route = findRoute(
    tables.at(item.value("table", "plain")), item.value("route", "/whole"));
  const string kind = item["kind"];
  const string requestId = item.value("request_id", "");
  json result;
  if (kind == "exit-statuses") {
    for (int code = item["exit_codes"][0]; code <= item["exit_codes"][1];
         ++code) {
      Outcome outcome = readOutcome({{"reason", "exit"}});
      outcome.exitCode = code;
      result.push_back(statusOf(route, outcome));
    }
  } else if (kind == "signals") {
    for (int signal = 1; signal <= 64; ++signal) {
      Outcome outcome = readOutcome({{"reason", "signal"}});
      outcome.signal = signal;
      result["names"][std::to_string(signal)] = signalName(signal);
      result["statuses"].push_back(statusOf(route, outcome));
    }
  } else if (kind == "reason-phrases") {
    for (int status = 100; status < 1000; ++status) {
      if (isNamedError(status)) {
        result["errors"].push_back(status);
      }
    }
  } else if (kind == "outcome") {
    const json& output = item["stdout"];
    result = show(answer(
      route, readOutcome(item["outcome"]),
      output.is_null() ? std::nullopt : optional<string>(octets(output))));
  } else if (kind == "stream") {
    result = show(streamAnswer(route));
  } else if (kind == "method-not-allowed") {
    result = show(methodNotAllowed(item["allowed"], item["method"]));
  } else {
    result = show(refusalAnswer(
      kind == "body-too-large" ? bodyTooLarge(route) :
      kind == "busy"           ? busy(route) :
      kind == "body-not-kept"  ? bodyNotKept(item["detail"]) :
      kind == "shutting-down"  ? shuttingDown() :
                                 Refusal{item["reason"], item["detail"]},
      requestId));
  }
  return result;
}


static optional<string> find(const json& object, const string& name)
{
  return object.contains(name) ? optional<string>(object[name]) : std::nullopt;
}


static json runAccess(const Tables& tables, const json& item)
{
  optional<Refusal> refusal;
  if (item["kind"] == "path") {
    const json headers = item.value("headers", json::object());
    const Access access = {
      item.value("open", false),
      item.value("names", vector<string>()),
      {!item.contains("names")}};
    refusal = refusePath(
      find(item, "realm"), find(item, "principal"),
      {find(headers, "sec-fetch-site"), find(headers, "origin"),
       find(headers, "host")},
      access);
  } else {
    refusal = refuseRoute(
      findRoute(tables.at("plain"), item["route"]), find(item, "principal"));
  }
  if (!refusal) {
    return nullptr;
  }
  return {{"reason", refusal->reason}, {"detail", refusal->detail}};
}


static json runEnvironment(const Tables& tables, const json& item)
{
  const Table& table = tables.at(item["table"]);
  const json& principal = item["principal"];
  return environment(
    baseEnvironment(
      table, item.value("overrides", json::object()).get<Environment>()),
    findRoute(table, item["route"]), item["method"], item["request_id"],
    item["deadline"],
    principal.is_null() ? std::nullopt : optional<string>(principal));
}


static optional<json> runQuery(const json& item)
{
#ifdef COMMAND_WITH_LIBPROCESS
  const Try<hashmap<string, string>> query =
    process::http::query::decode(octets(item["query"]));
  if (query.isError()) {
    return json{{"bad", true}};
  }
  json pairs = json::array();
  for (const auto& [key, value] : query.get()) {
    pairs.push_back({hex(key), hex(value)});
  }
  return json{{"pairs", pairs}};
#else
  (void)item;
  return std::nullopt;
#endif
}


int main(int argc, char** argv)
{
  for (int i = 1; i < argc; ++i) {
    const json file = json::parse(std::ifstream(argv[i]));
    const string subject = file["subject"];
    Tables tables;
    const json given = file.value("tables", json::object());
    for (const auto& [name, text] : given.items()) {
      tables[name] = std::get<Table>(parse(text.dump(), name));
    }
    for (const json& item : file["cases"]) {
      const optional<json> result =
        subject == "access" ? runAccess(tables, item) :
        subject == "table"  ? runTable(file, item) :
        subject == "match"  ? runMatch(tables, item) :
        subject == "query"  ? runQuery(item) :
        subject == "argv"   ? runArgv(tables, item) :
        subject == "answer" ? runAnswer(tables, item) :
        subject == "record" ? hex(exitRecord(readOutcome(item["outcome"]))) :
                              runEnvironment(tables, item);
      if (result) {
        std::cout
          << json{{"subject", subject}, {"name", item["name"]}, {"result", *result}}
               .dump()
          << "\n";
      }
    }
  }
}
