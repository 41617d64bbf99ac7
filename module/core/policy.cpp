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

using std::map;
using std::string;
using std::vector;

namespace command {

const vector<string> POLICY_FIELDS = {
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


static void readResponse(
  Findings* findings, const string& place, const Value& value, Policy* policy)
{
  static const vector<string> KNOWN = {"type", "delivery", "max_bytes"};
  if (findings->object(place, &value, &KNOWN) == nullptr) {
    return;
  }
  if (const Value* item = value.find("type")) {
    const string* type = findings->string(member(place, "type"), item);
    if (type != nullptr && isMediaType(*type)) {
      policy->type = *type;
    } else if (type != nullptr) {
      findings->add(
        member(place, "type"), "value",
        "a media type such as application/json or text/plain; charset=utf-8");
    }
  }
  if (const Value* item = value.find("delivery")) {
    const string* delivery =
      findings->choice(member(place, "delivery"), item, {"whole", "stream"});
    policy->delivery = delivery == nullptr ? policy->delivery : *delivery;
  }
  if (const Value* item = value.find("max_bytes")) {
    policy->maxBytes =
      findings->integer(member(place, "max_bytes"), item, 1, MAX_INTEGER)
        .value_or(policy->maxBytes);
  }
}


static void readQueue(
  Findings* findings, const string& place, const Value& value, Policy* policy)
{
  static const vector<string> KNOWN = {"length", "seconds"};
  if (findings->object(place, &value, &KNOWN) == nullptr) {
    return;
  }
  if (const Value* item = value.find("length")) {
    policy->queueLength =
      findings->integer(member(place, "length"), item, 0, 100000)
        .value_or(policy->queueLength);
  }
  if (const Value* item = value.find("seconds")) {
    policy->queueSeconds =
      findings->seconds(member(place, "seconds"), item, 3600)
        .value_or(policy->queueSeconds);
  }
}


static void readLimits(
  Findings* findings, const string& place, const Value& value, Policy* policy)
{
  struct Range
  {
    int64_t least, most;
  };
  static const map<string, Range> RANGES = {
    {"address_space", {1, MAX_INTEGER}},
    {"cpu", {1, MAX_INTEGER}},
    {"file_size", {0, MAX_INTEGER}},
    {"open_files", {3, MAX_INTEGER}},
    {"processes", {0, MAX_INTEGER}},
    {"core", {0, MAX_INTEGER}},
    {"nice", {-20, 19}},
  };
  static const vector<string> KNOWN = {
    "address_space", "cpu",  "file_size", "open_files",
    "processes",     "core", "nice",      "umask"};
  if (findings->object(place, &value, &KNOWN) == nullptr) {
    return;
  }
  for (const auto& [name, range] : RANGES) {
    if (const Value* item = value.find(name)) {
      const auto number =
        findings->integer(member(place, name), item, range.least, range.most);
      if (number) {
        policy->limits[name] = *number;
      }
    }
  }
  if (const Value* item = value.find("umask")) {
    const string* text = findings->string(member(place, "umask"), item);
    if (text == nullptr) {
      return;
    }
    if (
      consistsOf(*text, "01234567") &&
      (text->size() == 3 || (text->size() == 4 && (*text)[0] == '0'))) {
      policy->limits["umask"] = std::stoi(*text, nullptr, 8);
    } else {
      findings->add(
        member(place, "umask"), "value",
        "a umask is three octal digits in a string, such as \"022\"");
    }
  }
}


// What an invocation may answer with: final, followed by a body, and complete
// without a header that only the host could know (Location,
// WWW-Authenticate, Allow).
static bool isAnswer(int64_t status, bool success)
{
  return (status >= 200 && status <= 203) ||
         (!success && status >= 400 && status != 401 && status != 405 &&
          status != 407 && REASON_PHRASES.count(status) > 0);
}


static void readStatuses(
  Findings* findings, const string& place, const Value& value, Policy* policy)
{
  if (findings->object(place, &value) == nullptr) {
    return;
  }
  for (const Member& field : value.members) {
    const string& key = field.name;
    const string inner = member(place, key);
    if (
      key.empty() || key.size() > 3 || !consistsOf(key, DIGITS) ||
      (key[0] == '0' && key != "0") || std::stoi(key) > 255) {
      findings->add(
        inner, "value",
        "an exit code is \"0\" to \"255\", without leading zeros");
      continue;
    }
    const auto status = findings->integer(inner, &field.value, 100, 599);
    if (status && isAnswer(*status, key == "0")) {
      policy->statuses[std::stoi(key)] = static_cast<int>(*status);
    } else if (status) {
      findings->add(
        inner, "value",
        key == "0" ?
          "exit status 0 is a success: 200, 201, 202 or 203" :
          "200 to 203, or an error that libprocess has a name for, as 409");
    }
  }
}


void readPolicy(
  Findings* findings, const string& place, const Value& object, Policy* policy)
{
  for (const Member& field : object.members) {
    const string& name = field.name;
    const Value& value = field.value;
    const string inner = member(place, name);

    auto choose = [&](const vector<string>& choices, string* result) {
      const string* text = findings->choice(inner, &value, choices);
      *result = text == nullptr ? *result : *text;
    };
    auto count = [&](int64_t least, int64_t most, int64_t* result) {
      *result = findings->integer(inner, &value, least, most).value_or(*result);
    };

    if (name == "stdin") {
      choose({"none", "body"}, &policy->stdin_);
    } else if (name == "disconnect") {
      choose({"kill", "finish"}, &policy->disconnect);
    } else if (name == "max_body") {
      count(0, MAX_INTEGER, &policy->maxBody);
    } else if (name == "concurrency") {
      count(1, 10000, &policy->concurrency);
    } else if (name == "timeout") {
      policy->timeout =
        findings->seconds(inner, &value, MAX_TIMEOUT).value_or(60);
    } else if (name == "grace") {
      policy->grace = findings->seconds(inner, &value, 3600, true).value_or(5);
    } else if (name == "idle_timeout") {
      policy->idleTimeout = value.kind == Value::NUL ?
                              std::nullopt :
                              findings->seconds(inner, &value, MAX_TIMEOUT);
    } else if (name == "realm") {
      policy->realm = std::nullopt;
      const string* realm =
        value.kind == Value::NUL ? nullptr : findings->string(inner, &value);
      if (realm == nullptr) {
        continue;
      }
      if (
        !realm->empty() && realm->size() <= 255 && printable(*realm, "\"\\")) {
        policy->realm = *realm;
      } else {
        findings->add(
          inner, "value",
          "a realm has 1 to 255 printable ASCII characters, no \" and no \\");
      }
    } else if (name == "working_directory") {
      const string* directory = findings->string(inner, &value);
      if (directory == nullptr) {
        continue;
      }
      policy->workingDirectory = *directory;
      if (!startsWith(*directory, "/")) {
        findings->add(
          inner, "value", "the working directory is absolute, such as /");
      }
    } else if (name == "response") {
      readResponse(findings, inner, value, policy);
    } else if (name == "queue") {
      readQueue(findings, inner, value, policy);
    } else if (name == "limits") {
      readLimits(findings, inner, value, policy);
    } else if (name == "statuses") {
      readStatuses(findings, inner, value, policy);
    }
  }
}


void resolve(
  Findings* findings, const string& place, const Value& object, Policy* policy)
{
  const bool stream = policy->delivery == "stream";
  if (policy->type.empty()) {
    policy->type = stream ? NDJSON : "application/json";
  }
  if (policy->maxBytes < 0) {
    policy->maxBytes = stream ? 16 * MIB : GIB;
  }
  if (stream && policy->type != NDJSON) {
    findings->add(
      place, "conflict",
      "a stream ends with an exit record, so its type is " + string(NDJSON));
  }
  // libprocess queues a stream for a slow reader without bound, so its total
  // is what must be bounded.
  if (stream && policy->maxBytes > GIB) {
    findings->add(
      place, "conflict",
      "a stream has at most " + std::to_string(GIB) + " bytes");
  }
  if (policy->stdin_ == "none") {
    const Value* own = object.find("max_body");
    if (
      own != nullptr && own->kind == Value::INTEGER && own->integer > 0 &&
      own->integer <= MAX_INTEGER) {
      findings->add(
        member(place, "max_body"), "conflict",
        "a body is taken only with \"stdin\": \"body\"");
    }
    policy->maxBody = 0;
  } else if (policy->maxBody < 0) {
    policy->maxBody = MIB;
  }
}

} // namespace command {
