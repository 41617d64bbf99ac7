// One request for a command: from its arguments to its answer.
//
// The body is received whole, a place is waited for, the command is run, and
// its output becomes the answer, all at once or as it comes.

#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include <process/http.hpp>

#include <stout/option.hpp>

#include "core/answer.hpp"
#include "core/argv.hpp"

#include "invocation.hpp"
#include "served_table.hpp"
#include "spool.hpp"

namespace command {

// A request that a route takes.
struct CommandRequest
{
  const Route& route;
  CommandLine line;
  std::string method;
  std::string id; // The client's, or a random one.
  std::optional<std::string> principal; // None on a route without a realm.
  Option<process::network::Address> client;
};


class CommandExchange : public std::enable_shared_from_this<CommandExchange>
{
public:
  CommandExchange(ServedTable* served, CommandRequest request);

  // Receives the body, then runs the command. To be called once, anywhere.
  process::Future<process::http::Response> start(
    const process::http::Pipe::Reader& body);

  // The rest is for the loop's thread.

  // There will be no place for it: answers without one.
  void stopWaiting()
  {
    leaveQueue();
    refuse(shuttingDown());
  }

  // Ends the command that runs.
  void end(const std::string& reason) { invocation->end(reason); }

  // The client's connection is closed.
  void gone();

private:
  void receive(process::http::Pipe::Reader from);
  bool onPiece(const process::Future<std::string>& piece);
  void onPieceStored(const process::Future<std::string>& piece);
  void queue();
  void run();
  Try<int> openInput() const;
  Try<Nothing> take(const char* data, size_t size);
  void beginStream();
  void flush();
  void onFinished(const Outcome& outcome);
  void leavePlace();
  void answerWhole(const Outcome& outcome);
  void leaveQueue();
  void refuse(const Refusal& refusal);

  ServedTable* const served;
  const CommandRequest request;
  const Route& route;
  RouteState& state;
  std::string requestId; // The request's own until the command starts.

  process::Promise<process::http::Response> promise;
  Option<process::http::Pipe::Reader> reader; // Of the body, while it comes.
  std::atomic<int64_t> backlog{0}; // Of the body: come, not stored.
  int64_t bodySize = 0;
  std::shared_ptr<Buffer> body;
  std::shared_ptr<Buffer> output;
  Waiter waiter = 0; // While it waits for a place.
  std::unique_ptr<Invocation> invocation;
  Option<process::http::Pipe::Writer> writer; // Once the stream has begun.
  std::string unsent; // Of the stream: to be written in a moment.
  Option<Loop::Timer> flushing;
  bool endsWithNewline = true;
  bool clientGone = false;
};


process::http::Response toResponse(const Answer& answer);

} // namespace command {
