#include "served_table.hpp"

#include <process/metrics/metrics.hpp>

#include <stout/foreach.hpp>

using std::string;

using process::Future;

namespace command {

RouteMetrics::RouteMetrics(const string& name)
  : started(name + "/started"),
    failed(name + "/failed"),
    refused(name + "/refused"),
    running(name + "/running"),
    waiting(name + "/waiting")
{
  process::metrics::add(started);
  process::metrics::add(failed);
  process::metrics::add(refused);
  process::metrics::add(running);
  process::metrics::add(waiting);
}


void RouteMetrics::show(const ConcurrencyLimit& limit)
{
  running = static_cast<double>(limit.running());
  waiting = static_cast<double>(limit.waiting());
}


ServedTable::ServedTable(
  const Table& _table, const Environment& overrides, Spool* _spool)
  : table(_table),
    environment(baseEnvironment(_table, overrides)),
    spool(_spool),
    clients(&loop)
{
  foreach (const Route& route, table.routes) {
    routes[&route].reset(new RouteState(
      &loop, route,
      "commands/" + table.process + route.path + "/" + route.methods[0]));
  }
}


ConcurrencyLimit& ServedTable::concurrency(const Route& route)
{
  return routes.at(&route)->concurrency;
}


RouteMetrics& ServedTable::metrics(const Route& route)
{
  return routes.at(&route)->metrics;
}


Future<Nothing> ServedTable::shutdown()
{
  auto closed = std::make_shared<process::Promise<Nothing>>();
  loop.post([this, closed]() { closed->associate(commands.close()); });
  return closed->future();
}

} // namespace command {
