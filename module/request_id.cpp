#include "request_id.hpp"

#include <mutex>
#include <random>
#include <set>

#include "core/formatting.hpp"

using std::string;

using process::http::Request;

namespace command {

static string randomId()
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
  return randomId();
}


// Shared by the threads of all tables; leaked, since commands may outlive
// whatever destroys statics.
static std::mutex& mutex = *new std::mutex();
static std::set<string>& claimed = *new std::set<string>();


static string claim(string id)
{
  const std::lock_guard<std::mutex> lock(mutex);
  while (!claimed.insert(id).second) {
    id = randomId();
  }
  return id;
}


ClaimedId::ClaimedId(const string& wanted) : value(claim(wanted)) {}


ClaimedId::~ClaimedId()
{
  const std::lock_guard<std::mutex> lock(mutex);
  claimed.erase(value);
}

} // namespace command {
