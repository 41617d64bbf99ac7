#include "core/access.hpp"

#include <algorithm>

#include "core/formatting.hpp"

using std::optional;
using std::string;
using std::vector;

namespace command {

static string lower(string text)
{
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return text;
}


// `host:port` or `[address]:port` without the port, in lower case.
static string hostOf(const string& authority)
{
  const size_t colon = authority.rfind(':');
  const bool hasPort = colon != string::npos &&
                       consistsOf(authority.substr(colon + 1), DIGITS) &&
                       (authority[0] == '[' ? authority[colon - 1] == ']' :
                                              authority.find(':') == colon);
  return lower(hasPort ? authority.substr(0, colon) : authority);
}


// Whether it is an address as a browser writes it. No page can be given one
// for a name, as it can be with the names of its own domain.
static bool isAddress(const string& host)
{
  if (startsWith(host, "[") && host.back() == ']') {
    return consistsOf(host.substr(1, host.size() - 2), "0123456789abcdef:.");
  }
  const vector<string> numbers = split(host, '.');
  return numbers.size() == 4 &&
         std::all_of(numbers.begin(), numbers.end(), [](const string& number) {
           return !number.empty() && number.size() <= 3 &&
                  consistsOf(number, DIGITS) && std::stoi(number) <= 255;
         });
}


static bool isOfAnotherSite(const SiteHeaders& headers)
{
  const string site = lower(headers.secFetchSite.value_or(""));
  if (site == "cross-site" || site == "same-site") {
    return true;
  }
  if (site == "same-origin" || site == "none" || !headers.origin) {
    return false;
  }
  const size_t scheme = headers.origin->find("://"); // `null` has none.
  return scheme == string::npos || !headers.host ||
         hostOf(headers.origin->substr(scheme + 3)) != hostOf(*headers.host);
}


static bool isKnownBy(const string& authority, const vector<string>& names)
{
  const string host = hostOf(authority);
  return host.empty() || host == "localhost" || isAddress(host) ||
         std::any_of(names.begin(), names.end(), [&host](const string& name) {
           return lower(name) == host;
         });
}


optional<Refusal> refusePath(
  const optional<string>& realm,
  const optional<string>& principal,
  const SiteHeaders& headers,
  const Access& access)
{
  if (realm && !principal && !access.open) {
    return Refusal{
      "unguarded",
      "This host can authenticate nobody for the realm of this path, and so "
      "lets nobody in. Its operator can give it credentials, or open it."};
  }
  if (isOfAnotherSite(headers)) {
    return Refusal{
      "cross-site",
      "A browser has sent this request for a page of another site."};
  }
  if (
    !access.hasCredentials &&
    !isKnownBy(headers.host.value_or(""), access.names)) {
    return Refusal{
      "cross-site",
      "The name in Host is none of this host's, so that it may be a page of "
      "another site that asks. Its operator can allow the name."};
  }
  return std::nullopt;
}


optional<Refusal> refuseRoute(
  const Route& route, const optional<string>& principal)
{
  const vector<string>& allowed = route.principals;
  if (
    allowed.empty() ||
    (principal &&
     std::find(allowed.begin(), allowed.end(), *principal) != allowed.end())) {
    return std::nullopt;
  }
  return Refusal{
    "not-permitted",
    principal ? "This principal is none of those that may call this route." :
                "This route is for certain principals, and the request is "
                "of none."};
}

} // namespace command {
