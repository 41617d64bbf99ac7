// One request for a command: from its arguments to its answer.
//
// The stages are the ABI's: the body is received whole, a place is waited
// for, the command is run, and its output becomes the answer, all at once
// (`whole`) or as it comes (`stream`).

#ifndef __COMMAND_EXCHANGE_HPP__
#define __COMMAND_EXCHANGE_HPP__

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <process/address.hpp>
#include <process/future.hpp>
#include <process/http.hpp>
#include <process/metrics/counter.hpp>
#include <process/metrics/push_gauge.hpp>

#include <stout/none.hpp>
#include <stout/option.hpp>
#include <stout/try.hpp>

#include "core/answer.hpp"
#include "core/argv.hpp"
#include "core/environment.hpp"
#include "core/table.hpp"

#include "invocation.hpp"
#include "loop.hpp"
#include "requestid.hpp"
#include "spool.hpp"

namespace command {

class Exchange;


// The places of one route, and what its metrics count.
struct Places
{
  explicit Places(const std::string& name);
  ~Places();

  int64_t running = 0;
  std::deque<std::shared_ptr<Exchange>> waiting;

  process::metrics::Counter started;
  process::metrics::Counter failed; // Answered with an error after start.
  process::metrics::Counter refused; // Answered without a start.
  process::metrics::PushGauge runningGauge;
  process::metrics::PushGauge waitingGauge;
};


// What the exchanges of one table share. The loop's thread owns all of it.
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


class Exchange : public std::enable_shared_from_this<Exchange>
{
public:
  Exchange(
    Service* service,
    const Route& route,
    const Arguments& arguments,
    const std::string& method,
    const std::string& requestId,
    const Option<std::string>& principal,
    const Option<process::network::Address>& client);

  // Receives the body, then runs the command. To be called once, anywhere.
  process::Future<process::http::Response> start(
    const process::http::Pipe::Reader& body);

  // The rest is for the loop's thread.

  // Ends the command, or the wait for a place, since the host is closing.
  void shutdown();

  // The client's connection is closed.
  void gone();

  const Option<process::network::Address> client;
  const Loop::Clock::time_point since = Loop::Clock::now();

private:
  void receive(process::http::Pipe::Reader from);
  bool arrived(const process::Future<std::string>& piece);
  void received(const process::Future<std::string>& piece);
  void queue();
  void giveUp();
  void run();
  Try<int> openInput();
  Try<Nothing> take(const char* data, size_t size);
  void beginStream();
  void finished(const Result& result);
  void release();
  void answerWhole(const Outcome& outcome);
  void leaveQueue();
  void refuse(const Refusal& refusal);
  void log(const Result& result) const;

  Service* const service;
  const Route& route;
  const Arguments arguments;
  const std::string method;
  std::string requestId;
  const Option<std::string> principal;
  Places* const places;

  process::Promise<process::http::Response> promise;
  Option<process::http::Pipe::Reader> reader; // Of the body, while it comes.
  std::atomic<int64_t> backlog{0}; // Of the body: arrived, not received.
  int64_t bodySize = 0;
  std::shared_ptr<Buffer> body;
  std::shared_ptr<Buffer> output;
  Option<Loop::Timer> patience; // While it waits for a place.
  std::unique_ptr<ClaimedId> claimed; // While the command runs.
  std::unique_ptr<Invocation> invocation;
  Option<process::http::Pipe::Writer> writer; // Once the stream has begun.
  bool endsWithNewline = true;
  bool isGone = false;
};


process::http::Response toResponse(const Answer& answer);

} // namespace command {

#endif // __COMMAND_EXCHANGE_HPP__
