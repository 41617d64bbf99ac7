// A route table that is served, and what its requests share.

#pragma once

#include <deque>

#include <process/future.hpp>
#include <process/metrics/counter.hpp>
#include <process/metrics/push_gauge.hpp>


#include "core/environment.hpp"

#include "client_watch.hpp"
#include "command_registry.hpp"
#include "concurrency_limit.hpp"
#include "loop.hpp"
#include "spool.hpp"

namespace command {

// What the requests of a route share, with what the agent's metrics say of it.
struct RouteState
{
  RouteState(Loop* loop, const Route& route);

  // Shows how many run and wait now.
  void show();

  ConcurrencyLimit concurrency;
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

  RouteState& state(const Route& route); // One of the table's own.

  // Ends every command as a time-out does, and refuses new ones; ready when
  // all are answered. To be called on any thread.
  process::Future<Nothing> shutdown();

  const Table table;
  const Environment environment; // What those of all its commands share.
  Spool* const spool;
  CommandRegistry commands;
  ClientWatch clients;

private:
  std::deque<RouteState> states; // In the order of the routes.

public:
  Loop loop; // The last member: its tasks use all others.
};

} // namespace command {
