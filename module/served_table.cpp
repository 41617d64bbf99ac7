#include "served_table.hpp"

#include <memory>
#include <string>

#include <process/metrics/metrics.hpp>

namespace command {

static std::string metric(const Route& route, const std::string& what)
{
  return "commands/" + route.process + route.path + "/" + route.methods[0] +
         "/" + what;
}


RouteState::RouteState(Loop* loop, const Route& route)
  : concurrency(loop, route),
    started(metric(route, "started")),
    failed(metric(route, "failed")),
    refused(metric(route, "refused")),
    running(metric(route, "running")),
    waiting(metric(route, "waiting"))
{
  process::metrics::add(started);
  process::metrics::add(failed);
  process::metrics::add(refused);
  process::metrics::add(running);
  process::metrics::add(waiting);
}


void RouteState::show()
{
  running = static_cast<double>(concurrency.running());
  waiting = static_cast<double>(concurrency.waiting());
}


ServedTable::ServedTable(
  const Table& _table, const Environment& overrides, Spool* _spool)
  : table(_table),
    environment(baseEnvironment(_table, overrides)),
    spool(_spool),
    clients(&loop)
{
  for (const Route& route : table.routes) {
    states.emplace_back(&loop, route);
  }
}


RouteState& ServedTable::state(const Route& route)
{
  return states[&route - table.routes.data()];
}


process::Future<Nothing> ServedTable::shutdown()
{
  auto closed = std::make_shared<process::Promise<Nothing>>();
  loop.post([this, closed]() { closed->associate(commands.close()); });
  return closed->future();
}

} // namespace command {
