#include "core/route_policy.hpp"

#include <algorithm>

#include "core/formatting.hpp"
#include "core/status_names.hpp"

using std::nullopt;
using std::optional;
using std::string;
using std::vector;

namespace command {

constexpr int64_t MIB = 1 << 20;
constexpr int64_t GIB = 1 << 30;
constexpr int MAX_TIMEOUT = 86400;
constexpr char NDJSON[] = "application/x-ndjson";


static bool isRealm(const string& text)
{
  return !text.empty() && text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c >= ' ' && c <= '~' && c != '"' && c != '\\';
         });
}


// type/subtype, then parameters as `; name=token` (RFC 9110, 8.3.1), the
// blank optional.
static bool isMediaType(const string& text)
{
  const string tokens = string(ALPHANUMERIC) + "!#$%&'*+-.^_`|~";
  auto isPair = [&tokens](const string& text, char separator) {
    const vector<string> pair = split(text, separator);
    return pair.size() == 2 && !pair[0].empty() && !pair[1].empty() &&
           consistsOf(pair[0] + pair[1], tokens);
  };
  const vector<string> parts = split(text, ';');
  return text.size() <= 255 && isPair(parts[0], '/') &&
         std::all_of(
           parts.begin() + 1, parts.end(), [&isPair](const string& part) {
             return isPair(part.substr(startsWith(part, " ") ? 1 : 0), '=');
           });
}


// What an invocation may answer with: final, followed by a body, and complete
// without a header that only the host could know (Location,
// WWW-Authenticate, Allow).
static bool isAnswer(int64_t status, bool success)
{
  return (status >= 200 && status <= 203) ||
         (!success && status >= 400 && status != 401 && status != 405 &&
          status != 407 && isNamedError(status));
}


static void readPrincipals(const TableReader& reader, Policy* policy)
{
  if (!reader.exists()) {
    return;
  }
  policy->principals.clear();
  if (reader.isNull()) {
    return;
  }
  for (const TableReader& item : reader.list(1, 1000)) {
    const auto name = item.string(
      [](const string& text) { return !text.empty() && text.size() <= 255; },
      "a principal has 1 to 255 bytes");
    if (
      name &&
      item.check(
        std::count(
          policy->principals.begin(), policy->principals.end(), *name) == 0,
        "duplicate-value", "this principal is there twice")) {
      policy->principals.push_back(*name);
    }
  }
}


static void readResponse(const TableReader& reader, Policy* policy)
{
  assign(&policy->delivery, reader["delivery"].choice({"whole", "stream"}));
  assign(&policy->maxBytes, reader["max_bytes"].integer(1, MAX_INTEGER));
  assign(
    &policy->type,
    reader["type"].string(
      isMediaType,
      "a media type such as application/json or text/plain; charset=utf-8"));
  reader.close();
}


static void readLimits(const TableReader& reader, Policy* policy)
{
  static const std::map<string, std::pair<int64_t, int64_t>> RANGES = {
    {"address_space", {1, MAX_INTEGER}},
    {"cpu", {1, MAX_INTEGER}},
    {"file_size", {0, MAX_INTEGER}},
    {"open_files", {3, MAX_INTEGER}},
    {"processes", {0, MAX_INTEGER}},
    {"core", {0, MAX_INTEGER}},
    {"nice", {-20, 19}},
  };
  for (const auto& [name, range] : RANGES) {
    if (const auto number = reader[name].integer(range.first, range.second)) {
      policy->limits[name] = *number;
    }
  }
  auto isUmask = [](const string& text) {
    return consistsOf(text, "01234567") &&
           (text.size() == 3 || (text.size() == 4 && text[0] == '0'));
  };
  if (
    const auto umask = reader["umask"].string(
      isUmask, "a umask is three octal digits in a string, such as \"022\"")) {
    policy->limits["umask"] = std::stoi(*umask, nullptr, 8);
  }
  reader.close();
}


static void readStatuses(const TableReader& reader, Policy* policy)
{
  for (const auto& [code, field] : reader.fields()) {
    const bool isExitCode =
      !code.empty() && code.size() <= 3 && consistsOf(code, DIGITS) &&
      (code[0] != '0' || code == "0") && std::stoi(code) <= 255;
    if (!field.check(
          isExitCode, "value",
          "an exit code is \"0\" to \"255\", without leading zeros")) {
      continue;
    }
    const auto status = field.integer(100, 599);
    if (
      status &&
      field.check(
        isAnswer(*status, code == "0"), "value",
        code == "0" ?
          "exit status 0 is a success: 200, 201, 202 or 203" :
          "200 to 203, or an error that libprocess has a name for, as 409")) {
      policy->statuses[std::stoi(code)] = static_cast<int>(*status);
    }
  }
}


void readPolicy(const TableReader& reader, Policy* policy)
{
  assign(&policy->stdin_, reader["stdin"].choice({"none", "body"}));
  assign(&policy->disconnect, reader["disconnect"].choice({"kill", "finish"}));
  assign(&policy->maxBody, reader["max_body"].integer(0, MAX_INTEGER));
  assign(&policy->concurrency, reader["concurrency"].integer(1, 10000));
  assign(&policy->timeout, reader["timeout"].seconds(MAX_TIMEOUT));
  assign(&policy->grace, reader["grace"].seconds(3600, true));
  assign(
    &policy->workingDirectory,
    reader["working_directory"].string(
      [](const string& text) { return startsWith(text, "/"); },
      "the working directory is absolute, such as /"));
  if (reader["idle_timeout"].isNull()) {
    policy->idleTimeout = nullopt;
  } else {
    assign(&policy->idleTimeout, reader["idle_timeout"].seconds(MAX_TIMEOUT));
  }
  if (reader["realm"].isNull()) {
    policy->realm = nullopt;
  } else {
    assign(
      &policy->realm,
      reader["realm"].string(
        isRealm,
        "a realm has 1 to 255 printable ASCII characters, no \" and no \\"));
  }
  readPrincipals(reader["principals"], policy);
  readResponse(reader["response"], policy);
  const TableReader queue = reader["queue"];
  assign(&policy->queueLength, queue["length"].integer(0, 100000));
  assign(&policy->queueSeconds, queue["seconds"].seconds(3600));
  queue.close();
  readLimits(reader["limits"], policy);
  readStatuses(reader["statuses"], policy);
}


void resolve(const TableReader& reader, Policy* policy)
{
  const bool stream = policy->delivery == "stream";
  if (policy->type.empty()) {
    policy->type = stream ? NDJSON : "application/json";
  }
  if (policy->maxBytes < 0) {
    policy->maxBytes = stream ? 16 * MIB : GIB;
  }
  reader.check(
    !stream || policy->type == NDJSON, "conflict",
    "a stream ends with an exit record, so its type is " + string(NDJSON));
  // libprocess queues a stream for a slow reader without bound, so its total
  // is what must be bounded.
  reader.check(
    !stream || policy->maxBytes <= GIB, "conflict",
    "a stream has at most " + std::to_string(GIB) + " bytes");
  if (policy->stdin_ == "none") {
    reader["max_body"].check(
      !reader["max_body"].exists() || policy->maxBody <= 0, "conflict",
      "a body is taken only with \"stdin\": \"body\"");
    policy->maxBody = 0;
  } else if (policy->maxBody < 0) {
    policy->maxBody = MIB;
  }
}

} // namespace command {
