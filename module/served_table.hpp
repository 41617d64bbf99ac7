// A route table that is served, and what its requests share.

#pragma once

#include <map>
#include <memory>
#include <string>

#include <process/future.hpp>
#include <process/metrics/counter.hpp>
#include <process/metrics/push_gauge.hpp>

#include <stout/nothing.hpp>

#include "core/environment.hpp"
#include "core/route_table.hpp"

#include "client_watch.hpp"
#include "command_registry.hpp"
#include "concurrency_limit.hpp"
#include "loop.hpp"
#include "spool.hpp"

namespace command {

// What the agent's metrics say of a route.
struct RouteMetrics
{
  explicit RouteMetrics(const std::string& name);

  // Shows how many run and wait now.
  void show(const ConcurrencyLimit& limit);

  process::metrics::Counter started;
  process::metrics::Counter failed; // Answered with an error after start.
  process::metrics::Counter refused; // Answered without a start.
  process::metrics::PushGauge running;
  process::metrics::PushGauge waiting;
};


// Owned by the loop's thread. Like the agent's module it is never deleted.
class ServedTable
{
public:
  ServedTable(const Table& _table, const Environment& overrides, Spool* _spool);

  // How many commands of a route of this table may run, and who waits.
  ConcurrencyLimit& concurrency(const Route& route);

  RouteMetrics& metrics(const Route& route);

  // Ends every command as a time-out does, and refuses new ones; ready when
  // all are answered. To be called on any thread.
  process::Future<Nothing> shutdown();

  const Table table;
  const Environment environment; // What those of all its commands share.
  Spool* const spool;
  CommandRegistry commands;
  ClientWatch clients;

private:
  struct RouteState
  {
    RouteState(Loop* loop, const Route& route, const std::string& name)
      : concurrency(loop, route), metrics(name)
    {
    }

    ConcurrencyLimit concurrency;
    RouteMetrics metrics;
  };

  std::map<const Route*, std::unique_ptr<RouteState>> routes;

public:
  Loop loop; // The last member: its tasks use all others.
};

} // namespace command {
