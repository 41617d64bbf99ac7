// The policy of a route: what its commands may use, how long, and how the
// answer is given.
//
// A policy field stands in a route, or in the table's `defaults` for all
// routes. `response`, `queue`, `limits` and `statuses` are merged key by key;
// every other field of a route replaces the default.

#include <algorithm>

#include "core/statuses.hpp"
#include "core/table.hpp"
#include "core/text.hpp"

using std::nullopt;
using std::optional;
using std::string;
using std::vector;

namespace command {

const Names POLICY_FIELDS = {
  "stdin",        "max_body", "response",          "timeout",
  "idle_timeout", "grace",    "concurrency",       "queue",
  "disconnect",   "limits",   "working_directory", "realm",
  "statuses",
};

constexpr int64_t MIB = 1 << 20;
constexpr int64_t GIB = 1 << 30;
constexpr int MAX_TIMEOUT = 86400;
constexpr char NDJSON[] = "application/x-ndjson";


static bool printable(const string& text, const string& except)
{
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return c >= ' ' && c <= '~' && except.find(c) == string::npos;
  });
}


// type/subtype, then parameters as `; name=token` (RFC 9110, 8.3.1), the
// blank optional.
static bool isMediaType(const string& text)
{
  if (text.size() > 255) {
    return false;
  }
  const vector<string> parts = split(text, ';');
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t blank = i > 0 && startsWith(parts[i], " ") ? 1 : 0;
    const vector<string> tokens =
      split(parts[i].substr(blank), i == 0 ? '/' : '=');
    if (tokens.size() != 2) {
      return false;
    }
    for (const string& token : tokens) {
      if (
        token.empty() ||
        !consistsOf(token, string(ALPHANUMERIC) + "!#$%&'*+-.^_`|~")) {
        return false;
      }
    }
  }
  return true;
}


static void readResponse(const Node& node, Policy* policy)
{
  node.object({"type", "delivery", "max_bytes"});
  assign(&policy->delivery, node["delivery"].choice({"whole", "stream"}));
  assign(&policy->maxBytes, node["max_bytes"].integer(1, MAX_INTEGER));
  const optional<string> type = node["type"].string();
  if (type && isMediaType(*type)) {
    policy->type = *type;
  } else if (type) {
    node["type"].add(
      "value",
      "a media type such as application/json or text/plain; charset=utf-8");
  }
}


static void readQueue(const Node& node, Policy* policy)
{
  node.object({"length", "seconds"});
  assign(&policy->queueLength, node["length"].integer(0, 100000));
  assign(&policy->queueSeconds, node["seconds"].seconds(3600));
}


static void readLimits(const Node& node, Policy* policy)
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
  Names known = {"umask"};
  for (const auto& [name, range] : RANGES) {
    known.push_back(name);
    const auto number = node[name].integer(range.first, range.second);
    if (number) {
      policy->limits[name] = *number;
    }
  }
  node.object(known);
  const optional<string> umask = node["umask"].string();
  if (!umask) {
    return;
  }
  if (
    consistsOf(*umask, "01234567") &&
    (umask->size() == 3 || (umask->size() == 4 && (*umask)[0] == '0'))) {
    policy->limits["umask"] = std::stoi(*umask, nullptr, 8);
  } else {
    node["umask"].add(
      "value", "a umask is three octal digits in a string, such as \"022\"");
  }
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


static void readStatuses(const Node& node, Policy* policy)
{
  if (!node.object()) {
    return;
  }
  for (const auto& [key, field] : node.fields()) {
    if (
      key.empty() || key.size() > 3 || !consistsOf(key, DIGITS) ||
      (key[0] == '0' && key != "0") || std::stoi(key) > 255) {
      field.add(
        "value", "an exit code is \"0\" to \"255\", without leading zeros");
      continue;
    }
    const auto status = field.integer(100, 599);
    if (status && isAnswer(*status, key == "0")) {
      policy->statuses[std::stoi(key)] = static_cast<int>(*status);
    } else if (status) {
      field.add(
        "value",
        key == "0" ?
          "exit status 0 is a success: 200, 201, 202 or 203" :
          "200 to 203, or an error that libprocess has a name for, as 409");
    }
  }
}


void readPolicy(const Node& node, Policy* policy)
{
  assign(&policy->stdin_, node["stdin"].choice({"none", "body"}));
  assign(&policy->disconnect, node["disconnect"].choice({"kill", "finish"}));
  if (node["max_body"].exists()) {
    policy->maxBody = node["max_body"].integer(0, MAX_INTEGER).value_or(0);
  }
  assign(&policy->concurrency, node["concurrency"].integer(1, 10000));
  assign(&policy->timeout, node["timeout"].seconds(MAX_TIMEOUT));
  assign(&policy->grace, node["grace"].seconds(3600, true));
  if (node["idle_timeout"].isNull()) {
    policy->idleTimeout = nullopt;
  } else {
    assign(&policy->idleTimeout, node["idle_timeout"].seconds(MAX_TIMEOUT));
  }
  if (node["realm"].isNull()) {
    policy->realm = nullopt;
  } else if (const optional<string> realm = node["realm"].string()) {
    policy->realm = realm;
    if (realm->empty() || realm->size() > 255 || !printable(*realm, "\"\\")) {
      node["realm"].add(
        "value",
        "a realm has 1 to 255 printable ASCII characters, no \" and no \\");
    }
  }
  if (const optional<string> directory = node["working_directory"].string()) {
    policy->workingDirectory = *directory;
    if (!startsWith(*directory, "/")) {
      node["working_directory"].add(
        "value", "the working directory is absolute, such as /");
    }
  }
  readResponse(node["response"], policy);
  readQueue(node["queue"], policy);
  readLimits(node["limits"], policy);
  readStatuses(node["statuses"], policy);
}


void resolve(const Node& node, Policy* policy)
{
  const bool stream = policy->delivery == "stream";
  if (policy->type.empty()) {
    policy->type = stream ? NDJSON : "application/json";
  }
  if (policy->maxBytes < 0) {
    policy->maxBytes = stream ? 16 * MIB : GIB;
  }
  if (stream && policy->type != NDJSON) {
    node.add(
      "conflict",
      "a stream ends with an exit record, so its type is " + string(NDJSON));
  }
  // libprocess queues a stream for a slow reader without bound, so its total
  // is what must be bounded.
  if (stream && policy->maxBytes > GIB) {
    node.add(
      "conflict", "a stream has at most " + std::to_string(GIB) + " bytes");
  }
  if (policy->stdin_ == "none") {
    if (node["max_body"].exists() && policy->maxBody > 0) {
      node["max_body"].add(
        "conflict", "a body is taken only with \"stdin\": \"body\"");
    }
    policy->maxBody = 0;
  } else if (policy->maxBody < 0) {
    policy->maxBody = MIB;
  }
}

} // namespace command {
