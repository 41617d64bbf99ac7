#include "core/environment.hpp"

#include "core/formatting.hpp"

using std::string;

namespace command {

Environment baseEnvironment(const Table& table, const Environment& overrides)
{
  Environment result = {
    {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    {"LANG", "C.UTF-8"},
    {"HOME", "/"},
  };
  for (const auto& [name, value] : table.environment) {
    result[name] = value;
  }
  for (const auto& [name, value] : overrides) {
    if (!startsWith(name, "ABI_")) {
      result[name] = value;
    }
  }
  result["ABI_VERSION"] = std::to_string(ABI_VERSION);
  return result;
}


Environment environment(
  Environment base,
  const Route& route,
  const string& method,
  const string& requestId,
  double deadline,
  const std::optional<string>& principal)
{
  base["ABI_REQUEST_ID"] = requestId;
  base["ABI_ROUTE"] = method + " /" + route.process + route.path;
  base["ABI_DEADLINE"] = secondsText(deadline);
  if (principal) {
    base["ABI_PRINCIPAL"] = *principal;
  }
  return base;
}

} // namespace command {
