#include "core/answer.hpp"

#include "core/formatting.hpp"
#include "core/status_names.hpp"

using std::string;
using std::to_string;
using std::vector;

namespace command {

static Answer problemAnswer(int status, const string& body, bool retry)
{
  Answer result = {
    status,
    {{"Content-Length", to_string(body.size())},
     {"Content-Type", "application/problem+json"}},
    body};
  if (retry) {
    result.headers.emplace_back("Retry-After", "1");
  }
  return result;
}


// Mistake details (RFC 9457), but for what is particular to an invocation and
// the closing brace.
static string problem(
  const string& reason,
  int status,
  const string& detail,
  const string& requestId)
{
  return "{\"type\":\"urn:command-abi:1:" + reason +
         "\",\"title\":" + jsonString(REASONS.at(reason).title) +
         ",\"status\":" + to_string(status) +
         ",\"detail\":" + jsonString(detail) +
         ",\"request_id\":" + jsonString(requestId);
}


static string detail(const Route& route, const Outcome& outcome)
{
  const int code = outcome.exitCode.value_or(-1);
  const string name = exitName(code);
  const string words = outcome.stderr_.empty() ?
                         " It wrote nothing to stderr." :
                         " Its own words are in stderr.";
  const string end = outcome.runsOn() ?
                       "can't be killed (" + outcome.detail + ")." + words :
                       "was ended." + words;
  const string ended = " and " + end;
  const string andEnded = ", and the command " + end;

  const std::map<string, string> details = {
    {"exit", "The command exited with status " + to_string(code) +
               (name.empty() ? "" : " (" + name + ")") + "." + words},
    {"signal", "The command was ended by " +
                 signalName(outcome.signal.value_or(0)) + "." + words},
    {"timeout", "The command ran for longer than " +
                  shortSeconds(outcome.timeout) + " s" + ended},
    {"idle-timeout", "The command wrote nothing for " +
                       shortSeconds(route.idleTimeout.value_or(0)) + " s" +
                       ended},
    {"output-limit", "The command wrote more than " +
                       to_string(route.maxBytes) + " bytes" + ended},
    {"client-gone", "The client closed the connection" + andEnded},
    {"shutdown", "The host is shutting down" + andEnded},
    {"spool-full", (outcome.detail == SPOOL_MISSING ?
                      "The host's " + outcome.detail.substr(4) :
                    outcome.detail == SPOOL_EXHAUSTED ?
                      "The host has no descriptor for the output" :
                      "The output did not fit on the host's disk") +
                     andEnded},
    {"start-failed",
     outcome.detail + ". Check the command and its directory on the host."},
    {"exhausted", outcome.detail + ". Try again in a second."},
  };
  return details.at(outcome.reason);
}


int statusOf(const Route& route, const Outcome& outcome)
{
  if (outcome.reason != "exit" || !outcome.exitCode) {
    return REASONS.at(outcome.reason).status;
  }
  const auto status = route.statuses.find(*outcome.exitCode);
  return status == route.statuses.end() ? httpStatus(*outcome.exitCode) :
                                          status->second;
}


Answer answer(
  const Route& route, const Outcome& outcome, std::optional<string> output)
{
  const int status = statusOf(route, outcome);
  if (status < 400) {
    Answer result = {status, {{"Content-Type", route.type}}, std::nullopt};
    if (output) {
      // The order of `OK(JSON)`, or of `Response(body, status, type)`.
      const bool json = route.type == "application/json";
      result.headers.emplace(
        json ? result.headers.end() : result.headers.begin(), "Content-Length",
        to_string(output->size()));
      result.body = std::move(output);
    }
    return result;
  }
  const string tail = stderrTail(outcome.stderr_);
  string body =
    problem(outcome.reason, status, detail(route, outcome), outcome.requestId);
  if (outcome.exitCode) {
    body += ",\"exit_code\":" + to_string(*outcome.exitCode);
  } else if (outcome.signal) {
    body += ",\"signal\":\"" + signalName(*outcome.signal) + "\"";
  }
  if (outcome.started()) {
    body += ",\"seconds\":" + secondsText(outcome.seconds);
  }
  if (!tail.empty()) {
    body += ",\"stderr\":" + jsonString(tail);
  }
  const bool temporary = status == 503 && outcome.reason == "exit" &&
                         outcome.exitCode == EX_TEMPORARY;
  return problemAnswer(
    status, body + "}", temporary || RETRY_REASONS.count(outcome.reason) > 0);
}


Answer streamAnswer(const Route& route)
{
  return {200, {{"Content-Type", route.type}}, std::nullopt};
}


Answer refusalAnswer(const Refusal& refusal, const string& requestId)
{
  const int status = REASONS.at(refusal.reason).status;
  return problemAnswer(
    status, problem(refusal.reason, status, refusal.detail, requestId) + "}",
    RETRY_REASONS.count(refusal.reason) > 0);
}


Refusal bodyTooLarge(const Route& route)
{
  return {
    "body-too-large",
    route.maxBody == 0 ?
      "This route takes no request body; send none." :
      "This route takes at most " + to_string(route.maxBody) + " bytes."};
}


Refusal busy(const Route& route)
{
  return {
    "busy", "This route runs " + to_string(route.concurrency) +
              (route.concurrency == 1 ? " command" : " commands") +
              " at once; try again in a second."};
}


Refusal bodyNotKept(const string& reason)
{
  if (reason == SPOOL_EXHAUSTED) {
    return {
      "exhausted",
      "The host has no descriptor for the body of this request "
      "now. Try again in a second."};
  }
  return {
    "spool-full", reason == SPOOL_MISSING ?
                    "The host's spool directory does not exist any more." :
                    "The host's spool directory is full; try again later."};
}


Refusal shuttingDown()
{
  return {
    "shutdown", "The host is shutting down; the command was not started."};
}


Answer methodNotAllowed(const vector<string>& allowed, const string& method)
{
  const string body = "405 Method Not Allowed. Expecting one of { '" +
                      join(allowed, "', '") + "' }, but received '" + method +
                      "'.";
  return {
    405,
    {{"Content-Length", to_string(body.size())},
     {"Content-Type", "text/plain; charset=utf-8"},
     {"Allow", join(allowed, ", ")}},
    body};
}

} // namespace command {
