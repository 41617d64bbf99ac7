#include "client_watch.hpp"

#include <set>
#include <string>

#include <process/network.hpp>

#include <stout/stringify.hpp>
#include <stout/os/ls.hpp>

#include "command_exchange.hpp"

using std::string;

namespace command {

// How often connections are looked at, and for how long after a request.
constexpr double SWEEP_SECONDS = 0.25;
constexpr std::chrono::seconds MAX_SWEEP_TIME(10);


void ClientWatch::add(
  const std::shared_ptr<CommandExchange>& exchange,
  const process::network::Address& client)
{
  if (watched.empty()) {
    loop->after(SWEEP_SECONDS, [this]() { sweep(); });
  }
  watched.push_back({exchange, client, Loop::Clock::now() + MAX_SWEEP_TIME});
}


void ClientWatch::sweep()
{
  const Loop::Clock::time_point now = Loop::Clock::now();
  watched.remove_if([now](const Watched& one) {
    return one.end <= now || one.exchange.expired();
  });
  if (watched.empty()) {
    return;
  }
  std::set<string> peers;
  const Try<std::list<string>> descriptors = os::ls("/proc/self/fd");
  if (descriptors.isSome()) {
    for (const string& name : descriptors.get()) {
      const Try<process::network::Address> peer =
        process::network::peer(std::stoi(name));
      if (peer.isSome()) {
        peers.insert(stringify(peer.get()));
      }
    }
    for (const Watched& one : watched) {
      const std::shared_ptr<CommandExchange> exchange = one.exchange.lock();
      if (exchange && peers.count(stringify(one.client)) == 0) {
        exchange->gone();
      }
    }
  }
  // Only now: with thousands of descriptors a look takes a while.
  loop->after(SWEEP_SECONDS, [this]() { sweep(); });
}

} // namespace command {
