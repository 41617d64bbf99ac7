#include "request_id.hpp"

#include <random>

#include "core/formatting.hpp"

using std::string;

using process::http::Request;

namespace command {

string randomRequestId()
{
  static thread_local std::random_device device;
  char id[17];
  snprintf(id, sizeof(id), "%08x%08x", device(), device());
  return id;
}


string readRequestId(const Request& request)
{
  const Option<string> given = request.headers.get("X-Request-Id");
  if (
    given.isSome() && !given->empty() && given->size() <= 64 &&
    consistsOf(given.get(), string(ALPHANUMERIC) + "._-")) {
    return given.get();
  }
  return randomRequestId();
}

} // namespace command {
