#include "served_table.hpp"

#include <list>
#include <vector>

#include <process/address.hpp>
#include <process/network.hpp>

#include <process/metrics/metrics.hpp>

#include <stout/foreach.hpp>
#include <stout/stringify.hpp>
#include <stout/try.hpp>
#include <stout/os/ls.hpp>

#include "command_exchange.hpp"

using std::shared_ptr;
using std::string;

using process::Future;

namespace command {

// How often connections are looked at, and for how long after a request.
constexpr double SWEEP_SECONDS = 0.25;
constexpr std::chrono::seconds SWEEP_LIMIT(10);


Places::Places(const string& name)
  : started(name + "/started"),
    failed(name + "/failed"),
    refused(name + "/refused"),
    runningGauge(name + "/running"),
    waitingGauge(name + "/waiting")
{
  process::metrics::add(started);
  process::metrics::add(failed);
  process::metrics::add(refused);
  process::metrics::add(runningGauge);
  process::metrics::add(waitingGauge);
}


Service::Service(
  const Table& _table, const Environment& overrides, Spool* _spool)
  : table(_table),
    environment(baseEnvironment(_table, overrides)),
    spool(_spool)
{
  for (const Route& route : table.routes) {
    places[&route].reset(new Places(
      "commands/" + table.process + route.path + "/" + route.methods[0]));
  }
}


Future<Nothing> Service::shutdown()
{
  loop.post([this]() {
    closing = true;
    const std::set<shared_ptr<Exchange>> all = running;
    for (const shared_ptr<Exchange>& exchange : all) {
      exchange->shutdown();
    }
    if (running.empty()) {
      closed.set(Nothing());
    }
  });
  return closed.future();
}


void Service::add(const shared_ptr<Exchange>& exchange)
{
  running.insert(exchange);
  if (!sweeping) {
    sweeping = true;
    loop.after(SWEEP_SECONDS, [this]() { sweep(); });
  }
}


// libprocess tells nobody of a client that leaves before the proxy of its
// connection has seen the request: ending the proxy drops what it was to do.
// So for a while each exchange is looked at for whether its connection, one of
// this program's descriptors, is still there.
void Service::sweep()
{
  std::vector<shared_ptr<Exchange>> young;
  const Loop::Clock::time_point now = Loop::Clock::now();
  for (const shared_ptr<Exchange>& exchange : running) {
    if (exchange->client.isSome() && now - exchange->since < SWEEP_LIMIT) {
      young.push_back(exchange);
    }
  }
  sweeping = !young.empty();
  if (!sweeping) {
    return;
  }
  std::set<string> peers;
  const Try<std::list<string>> descriptors = os::ls("/proc/self/fd");
  if (descriptors.isSome()) {
    foreach (const string& name, descriptors.get()) {
      const Try<process::network::Address> peer =
        process::network::peer(std::stoi(name));
      if (peer.isSome()) {
        peers.insert(stringify(peer.get()));
      }
    }
    for (const shared_ptr<Exchange>& exchange : young) {
      if (peers.count(stringify(exchange->client.get())) == 0) {
        exchange->gone();
      }
    }
  }
  loop.after(SWEEP_SECONDS, [this]() { sweep(); });
}

} // namespace command {
