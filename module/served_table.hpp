// What the requests of one table share: its places, its loop, its end.

#ifndef __COMMAND_SERVED_TABLE_HPP__
#define __COMMAND_SERVED_TABLE_HPP__

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <process/future.hpp>
#include <process/metrics/counter.hpp>
#include <process/metrics/push_gauge.hpp>

#include <stout/nothing.hpp>

#include "core/environment.hpp"
#include "core/route_table.hpp"

#include "loop.hpp"
#include "spool.hpp"

namespace command {

class Exchange;


// The places of one route, and what its metrics count.
struct Places
{
  explicit Places(const std::string& name);

  int64_t running = 0;
  std::deque<std::shared_ptr<Exchange>> waiting;

  process::metrics::Counter started;
  process::metrics::Counter failed; // Answered with an error after start.
  process::metrics::Counter refused; // Answered without a start.
  process::metrics::PushGauge runningGauge;
  process::metrics::PushGauge waitingGauge;
};


// Owned by the loop's thread. Like the agent's module it is never deleted.
struct Service
{
  Service(const Table& _table, const Environment& overrides, Spool* _spool);

  // Ends every command as a time-out does, and refuses new ones; ready when
  // all are answered.
  process::Future<Nothing> shutdown();

  // Counts an exchange as one that commands run for, or will.
  void add(const std::shared_ptr<Exchange>& exchange);

  const Table table;
  const Environment environment;
  Spool* const spool;

  bool closing = false;
  process::Promise<Nothing> closed;
  std::set<std::shared_ptr<Exchange>> running;
  std::map<const Route*, std::unique_ptr<Places>> places;
  bool sweeping = false;

  Loop loop; // The last member: its tasks use all others.

private:
  void sweep();
};

} // namespace command {

#endif // __COMMAND_SERVED_TABLE_HPP__
