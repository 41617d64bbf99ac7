// Who may call: a request's path, then its route -> let in, or the refusal
// that answers the request.
//
// Sources: Fetch Metadata Request Headers (W3C) on Sec-Fetch-Site, RFC 6454 on
// Origin, RFC 9110 (7.2) on Host.

#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "core/argv.hpp"
#include "core/route.hpp"

namespace command {

// What the operator of a host has said, and given it.
struct Access
{
  // Whether realms without an authenticator let everybody in.
  bool open = false;

  // The names by which a host without credentials may be called, beside
  // addresses and `localhost`.
  std::vector<std::string> names;

  // Whether any realm has an authenticator; the module finds that out late.
  std::atomic<bool> hasCredentials{false};
};


// The headers of a request that tell whether a browser has sent it for a page
// of another site.
struct SiteHeaders
{
  std::optional<std::string> secFetchSite;
  std::optional<std::string> origin;
  std::optional<std::string> host;
};


// Decides where authentication does, before anybody looks at the method.
std::optional<Refusal> refusePath(
  const std::optional<std::string>& realm,
  const std::optional<std::string>& principal,
  const SiteHeaders& headers,
  const Access& access);

// Decides once the route is known, before anybody looks at its parameters.
std::optional<Refusal> refuseRoute(
  const Route& route, const std::optional<std::string>& principal);

} // namespace command {
