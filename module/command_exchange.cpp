#include "command_exchange.hpp"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <thread>

#include <glog/logging.h>

#include <stout/stringify.hpp>

#include "core/exit_record.hpp"

#include "log_line.hpp"

using std::shared_ptr;
using std::string;

using process::Future;

using process::http::Pipe;
using process::http::Response;

namespace command {

// How much of a body may have arrived and not be written yet before its sender
// is held up, and for how long at each piece of it.
constexpr int64_t MAX_BACKLOG_BYTES = 8 << 20;
constexpr int MAX_BACKPRESSURE_MS = 5;

// How long, and how much, what a command writes to a stream may wait for more.
constexpr double MAX_UNSENT_SECONDS = 0.02;
constexpr size_t MAX_UNSENT_BYTES = 64 * 1024;


Response toResponse(const Answer& answer)
{
  Response response(answer.status);
  for (const auto& [name, value] : answer.headers) {
    response.headers[name] = value;
  }
  if (answer.body) {
    response.type = Response::BODY;
    response.body = *answer.body;
  }
  return response;
}


CommandExchange::CommandExchange(ServedTable* _served, CommandRequest _request)
  : served(_served),
    request(std::move(_request)),
    route(request.route),
    requestId(request.id),
    concurrency(_served->concurrency(request.route)),
    metrics(_served->metrics(request.route))
{
}


Future<Response> CommandExchange::start(const Pipe::Reader& _reader)
{
  const shared_ptr<CommandExchange> self = shared_from_this();
  const Future<Response> response = promise.future();
  response.onDiscard(
    [self]() { self->served->loop.post([self]() { self->gone(); }); });
  reader = _reader;
  receive(_reader);
  return response;
}


// Takes each piece of the body when it arrives, on the thread that received
// it: what nobody takes from the pipe would be kept in it, however much.
void CommandExchange::receive(Pipe::Reader from)
{
  const shared_ptr<CommandExchange> self = shared_from_this();
  for (;;) {
    const Future<string> piece = from.read();
    if (piece.isPending()) {
      piece.onAny([self, from](const Future<string>& piece) {
        if (self->onPiece(piece)) {
          self->applyBackpressure();
          self->receive(from);
        }
      });
      return;
    }
    if (!onPiece(piece)) {
      return;
    }
  }
}


// Hands a piece over to the loop; returns whether there may be more.
bool CommandExchange::onPiece(const Future<string>& piece)
{
  const bool more = piece.isReady() && !piece->empty();
  if (more) {
    backlog += piece->size();
  }
  const shared_ptr<CommandExchange> self = shared_from_this();
  served->loop.post([self, piece]() { self->onPieceStored(piece); });
  return more;
}


// libprocess knows no flow control: a client that is faster than the disk
// would fill the memory. To be called on the thread that reads all sockets:
// it may be held up, but for a moment only. An actor may not.
void CommandExchange::applyBackpressure() const
{
  for (int i = 0; i < MAX_BACKPRESSURE_MS && backlog > MAX_BACKLOG_BYTES; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}


void CommandExchange::onPieceStored(const Future<string>& piece)
{
  if (piece.isReady()) {
    backlog -= piece->size();
  }
  if (reader.isNone()) {
    return; // Refused, or gone.
  }
  if (!piece.isReady()) {
    // The body can't be decoded, and libprocess answers with the reason; or
    // the client is gone, and nobody reads this.
    reader = None();
    body.reset();
    promise.set(Response(process::http::InternalServerError(
      piece.isFailed() ? piece.failure() : "discarded")));
    return;
  }
  if (piece->empty()) {
    reader = None();
    queue();
    return;
  }
  bodySize += piece->size();
  if (bodySize > route.maxBody) {
    refuse(bodyTooLarge(route));
    return;
  }
  if (!body) {
    body = std::make_shared<Buffer>(served->spool);
  }
  const Try<Nothing> written = body->write(piece->data(), piece->size());
  if (written.isError()) {
    LOG(WARNING) << "Refusing request " << requestId << ": " << written.error();
    const bool missing = written.error() == SPOOL_MISSING;
    refuse(missing ? spoolMissing() : spoolFull());
  }
}


void CommandExchange::queue()
{
  if (served->commands.closing()) {
    refuse(shuttingDown());
    return;
  }
  const shared_ptr<CommandExchange> self = shared_from_this();
  if (request.client.isSome()) {
    served->clients.add(self, request.client.get());
  }
  waiter = concurrency.acquire(
    [self]() { self->run(); },
    [self]() {
      self->waiter = None();
      self->served->commands.leave(self);
      self->metrics.show(self->concurrency);
      self->refuse(busy(self->route));
    });
  if (waiter.isSome()) {
    served->commands.wait(self);
  }
  metrics.show(concurrency);
}


void CommandExchange::leaveQueue()
{
  concurrency.leave(waiter.get());
  waiter = None();
  served->commands.leave(shared_from_this());
  metrics.show(concurrency);
}


void CommandExchange::run()
{
  waiter = None();
  const double now = std::chrono::duration<double>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  requestId = served->commands.start(shared_from_this(), request.id);
  const Try<int> input = openInput();
  CommandSpec spec(route);
  spec.argv = served->table.command;
  spec.argv.insert(
    spec.argv.end(), request.line.arguments.begin(),
    request.line.arguments.end());
  spec.environment = command::environment(
    served->environment, route, request.method, requestId,
    now + request.line.timeout,
    request.principal.isSome() ? std::make_optional(request.principal.get()) :
                                 std::nullopt);
  spec.timeout = request.line.timeout;
  invocation.reset(new Invocation(
    &served->loop, route, request.line.timeout, requestId,
    [this](const char* data, size_t size) { return take(data, size); },
    // The last reference to this may be the registry's.
    [this](const Outcome& outcome) { onFinished(outcome); },
    [this]() { onLateExit(); }));
  ++metrics.started;
  metrics.show(concurrency);
  if (input.isError()) {
    Outcome outcome;
    outcome.requestId = requestId;
    outcome.reason = "exhausted";
    outcome.detail = input.error();
    onFinished(outcome);
    return;
  }
  spec.input = input.get();
  invocation->start(spec);
  ::close(input.get());
}


// The command's standard input, to be closed here after the start.
Try<int> CommandExchange::openInput()
{
  int fd = -1;
  if (!body) {
    fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  } else if (body->file() >= 0) {
    fd = ::fcntl(body->file(), F_DUPFD_CLOEXEC, 3);
  } else {
    // A pipe may hold less than this, and nobody waits here to fill it.
    fd = ::memfd_create("body", MFD_CLOEXEC);
    const string& bytes = body->memory();
    const auto size = static_cast<ssize_t>(bytes.size());
    if (fd >= 0 && ::write(fd, bytes.data(), bytes.size()) != size) {
      ::close(fd);
      fd = -1;
    }
  }
  if (fd < 0) {
    return Error(
      string("The host can't start another process now: ") + ::strerror(errno));
  }
  if (body) {
    ::lseek(fd, 0, SEEK_SET);
  }
  return fd;
}


Try<Nothing> CommandExchange::take(const char* data, size_t size)
{
  if (clientGone) {
    return Nothing();
  }
  if (route.delivery == "stream") {
    beginStream();
    endsWithNewline = data[size - 1] == '\n';
    unsent.append(data, size);
    if (flushing.isNone() || unsent.size() >= MAX_UNSENT_BYTES) {
      flush();
    }
    return Nothing();
  }
  if (!output) {
    output = std::make_shared<Buffer>(served->spool);
  }
  return output->write(data, size);
}


// Writes what is unsent, and lets what comes next wait for a moment: libprocess
// keeps each write of a stream as an object of its own, which costs many times
// the size of a small one.
void CommandExchange::flush()
{
  writer->write(unsent);
  unsent.clear();
  if (flushing.isNone()) {
    flushing = served->loop.after(MAX_UNSENT_SECONDS, [this]() {
      flushing = None();
      if (!unsent.empty()) {
        flush();
      }
    });
  }
}


void CommandExchange::beginStream()
{
  if (writer.isSome()) {
    return;
  }
  Pipe pipe;
  writer = pipe.writer();
  // The answer holds the pipe, so the pipe must not hold this. As long as the
  // command runs, the registry does.
  const std::weak_ptr<CommandExchange> weak = shared_from_this();
  writer->readerClosed().onReady([weak](const Nothing&) {
    if (const shared_ptr<CommandExchange> self = weak.lock()) {
      self->served->loop.post([self]() { self->gone(); });
    }
  });
  Response response = toResponse(streamAnswer(route));
  response.type = Response::PIPE;
  response.reader = pipe.reader();
  promise.set(response);
}


void CommandExchange::onFinished(const Outcome& outcome)
{
  // Keeps this alive until the end; the registry lets go of it.
  const shared_ptr<CommandExchange> self = shared_from_this();

  body.reset(); // The command had it open until now.
  if (flushing.isSome()) {
    served->loop.cancel(flushing.get());
    flushing = None();
  }
  const bool success = statusOf(route, outcome) < 400;
  if (!success) {
    ++metrics.failed;
  }
  LOG(INFO) << logLine(
    request.method, route, request.principal, invocation->pid(), outcome);

  if (clientGone) {
    promise.discard();
    output.reset();
  } else if (writer.isSome() || (route.delivery == "stream" && success)) {
    beginStream();
    // Never `fail`: that would write a second head into the body.
    if (!unsent.empty()) {
      writer->write(unsent);
    }
    writer->write((endsWithNewline ? "" : "\n") + exitRecord(outcome));
    writer->close();
  } else {
    answerWhole(outcome);
  }

  writer = None(); // It refers to this.
  if (outcome.runsOn()) {
    served->commands.abandon(self);
  } else {
    leavePlace();
  }
}


void CommandExchange::onLateExit()
{
  const shared_ptr<CommandExchange> self = shared_from_this();
  LOG(INFO) << route.process << route.path << " request " << requestId
            << ": pid " << invocation->pid()
            << ", which could not be killed, has ended";
  leavePlace();
}


void CommandExchange::leavePlace()
{
  // What refers to this must go, or it would stay for ever. The invocation
  // goes only after its own call has returned.
  shared_ptr<Invocation> ended(std::move(invocation));
  served->loop.post([ended]() {});
  served->commands.finish(shared_from_this());
  concurrency.release();
  metrics.show(concurrency);
}


void CommandExchange::answerWhole(const Outcome& outcome)
{
  const bool inFile = output && output->file() >= 0;
  const Answer whole = answer(
    route, outcome,
    inFile ? std::nullopt :
             std::make_optional(output ? output->memory() : string()));
  Response response = toResponse(whole);
  if (!whole.body) {
    // libprocess opens the file when it is this response's turn, so the
    // descriptor has to stay open until then. What lives exactly as long as
    // the response is the pipe that may come with it.
    response.type = Response::PATH;
    response.path = "/proc/self/fd/" + stringify(output->file());
    Pipe pipe;
    const shared_ptr<Buffer> file = output;
    pipe.writer().readerClosed().onAny([file](const Future<Nothing>&) {});
    response.reader = pipe.reader();
  }
  output.reset();
  promise.set(response);
}


void CommandExchange::gone()
{
  if (clientGone) {
    return;
  }
  clientGone = true;
  if (reader.isSome()) {
    reader->close();
    reader = None();
    body.reset();
    promise.discard();
  } else if (waiter.isSome()) {
    leaveQueue();
    body.reset();
    promise.discard();
  } else if (invocation && route.disconnect == "kill") {
    invocation->end("client-gone");
  }
}


void CommandExchange::stopWaiting()
{
  leaveQueue();
  refuse(shuttingDown());
}


void CommandExchange::end(const string& reason) { invocation->end(reason); }


void CommandExchange::refuse(const Refusal& refusal)
{
  if (reader.isSome()) {
    reader->close(); // What still comes is dropped.
    reader = None();
  }
  body.reset();
  ++metrics.refused;
  promise.set(toResponse(refusalAnswer(refusal, requestId)));
}

} // namespace command {
