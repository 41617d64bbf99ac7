// One request for a command: from its arguments to its answer.
//
// The stages are the ABI's: the body is received whole, a place is waited
// for, the command is run, and its output becomes the answer, all at once
// (`whole`) or as it comes (`stream`).

#ifndef __COMMAND_COMMAND_EXCHANGE_HPP__
#define __COMMAND_COMMAND_EXCHANGE_HPP__

#include <atomic>
#include <memory>
#include <string>

#include <process/address.hpp>
#include <process/future.hpp>
#include <process/http.hpp>

#include <stout/none.hpp>
#include <stout/option.hpp>
#include <stout/try.hpp>

#include "core/answer.hpp"
#include "core/argv.hpp"
#include "core/route_table.hpp"

#include "invocation.hpp"
#include "loop.hpp"
#include "request_id.hpp"
#include "served_table.hpp"
#include "spool.hpp"

namespace command {

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
  void holdUp() const;
  void received(const process::Future<std::string>& piece);
  void queue();
  void giveUp();
  void run();
  Try<int> openInput();
  Try<Nothing> take(const char* data, size_t size);
  void beginStream();
  void flush();
  void finished(const Outcome& outcome);
  void release();
  void answerWhole(const Outcome& outcome);
  void leaveQueue();
  void refuse(const Refusal& refusal);

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
  std::string held; // Of the stream: to be written in a moment.
  Option<Loop::Timer> flushing;
  bool endsWithNewline = true;
  bool isGone = false;
};


process::http::Response toResponse(const Answer& answer);

} // namespace command {

#endif // __COMMAND_COMMAND_EXCHANGE_HPP__
