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


static bool isPrincipal(const string& text)
{
  return !text.empty() && text.size() <= 255;
}


static bool isAbsolute(const string& text) { return startsWith(text, "/"); }


static bool isUmask(const string& text)
{
  return consistsOf(text, "01234567") &&
         (text.size() == 3 || (text.size() == 4 && text[0] == '0'));
}


static bool isExitCode(const string& text)
{
  return !text.empty() && text.size() <= 3 && consistsOf(text, DIGITS) &&
         (text[0] != '0' || text == "0") && std::stoi(text) <= 255;
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


static void readPrincipals(const Node& node, Policy* policy)
{
  if (!node.exists()) {
    return;
  }
  policy->principals.clear();
  if (node.isNull()) {
    return;
  }
  for (const Node& item : node.list(1, 1000)) {
    const auto name =
      item.string(isPrincipal, "a principal has 1 to 255 bytes");
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


static void readResponse(const Node& node, Policy* policy)
{
  assign(&policy->delivery, node["delivery"].choice({"whole", "stream"}));
  assign(&policy->maxBytes, node["max_bytes"].integer(1, MAX_INTEGER));
  assign(
    &policy->type,
    node["type"].string(
      isMediaType,
      "a media type such as application/json or text/plain; charset=utf-8"));
  node.close();
}


static void readQueue(const Node& node, Policy* policy)
{
  assign(&policy->queueLength, node["length"].integer(0, 100000));
  assign(&policy->queueSeconds, node["seconds"].seconds(3600));
  node.close();
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
  for (const auto& [name, range] : RANGES) {
    if (const auto number = node[name].integer(range.first, range.second)) {
      policy->limits[name] = *number;
    }
  }
  if (
    const auto umask = node["umask"].string(
      isUmask, "a umask is three octal digits in a string, such as \"022\"")) {
    policy->limits["umask"] = std::stoi(*umask, nullptr, 8);
  }
  node.close();
}


static void readStatuses(const Node& node, Policy* policy)
{
  for (const auto& [code, field] : node.fields()) {
    if (!field.check(
          isExitCode(code), "value",
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


void readPolicy(const Node& node, Policy* policy)
{
  assign(&policy->stdin_, node["stdin"].choice({"none", "body"}));
  assign(&policy->disconnect, node["disconnect"].choice({"kill", "finish"}));
  assign(&policy->maxBody, node["max_body"].integer(0, MAX_INTEGER));
  assign(&policy->concurrency, node["concurrency"].integer(1, 10000));
  assign(&policy->timeout, node["timeout"].seconds(MAX_TIMEOUT));
  assign(&policy->grace, node["grace"].seconds(3600, true));
  assign(
    &policy->workingDirectory,
    node["working_directory"].string(
      isAbsolute, "the working directory is absolute, such as /"));
  if (node["idle_timeout"].isNull()) {
    policy->idleTimeout = nullopt;
  } else {
    assign(&policy->idleTimeout, node["idle_timeout"].seconds(MAX_TIMEOUT));
  }
  if (node["realm"].isNull()) {
    policy->realm = nullopt;
  } else {
    assign(
      &policy->realm,
      node["realm"].string(
        isRealm,
        "a realm has 1 to 255 printable ASCII characters, no \" and no \\"));
  }
  readPrincipals(node["principals"], policy);
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
  node.check(
    !stream || policy->type == NDJSON, "conflict",
    "a stream ends with an exit record, so its type is " + string(NDJSON));
  // libprocess queues a stream for a slow reader without bound, so its total
  // is what must be bounded.
  node.check(
    !stream || policy->maxBytes <= GIB, "conflict",
    "a stream has at most " + std::to_string(GIB) + " bytes");
  if (policy->stdin_ == "none") {
    node["max_body"].check(
      !node["max_body"].exists() || policy->maxBody <= 0, "conflict",
      "a body is taken only with \"stdin\": \"body\"");
    policy->maxBody = 0;
  } else if (policy->maxBody < 0) {
    policy->maxBody = MIB;
  }
}

} // namespace command {
