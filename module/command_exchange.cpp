#include "command_exchange.hpp"

#include <sys/mman.h>

#include <fcntl.h>
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
    state(_served->state(request.route)),
    requestId(request.id),
    body(std::make_shared<Buffer>(_served->spool)),
    output(std::make_shared<Buffer>(_served->spool))
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
// libprocess knows no flow control: a client that is faster than the disk would
// fill the memory. So the thread that reads all sockets is held up, but for a
// moment only; an actor may not be.
void CommandExchange::receive(Pipe::Reader from)
{
  const shared_ptr<CommandExchange> self = shared_from_this();
  for (;;) {
    const Future<string> piece = from.read();
    if (piece.isPending()) {
      piece.onAny([self, from](const Future<string>& piece) {
        if (!self->onPiece(piece)) {
          return;
        }
        for (int ms = 0;
             ms < MAX_BACKPRESSURE_MS && self->backlog > MAX_BACKLOG_BYTES;
             ++ms) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        self->receive(from);
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
  const Try<Nothing> written = body->write(piece->data(), piece->size());
  if (written.isError()) {
    LOG(WARNING) << "Refusing request " << requestId << ": " << written.error();
    refuse(bodyNotKept(written.error()));
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
  waiter = state.concurrency.acquire(
    [self]() { self->run(); },
    [self]() {
      self->leaveQueue();
      self->refuse(busy(self->route));
    });
  if (waiter != 0) {
    served->commands.wait(self);
  }
  state.show();
}


void CommandExchange::leaveQueue()
{
  state.concurrency.leave(waiter);
  waiter = 0;
  served->commands.leave(shared_from_this());
  state.show();
}


void CommandExchange::run()
{
  waiter = 0;
  requestId = served->commands.start(shared_from_this(), request.id);
  const double now = std::chrono::duration<double>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  CommandSpec spec = {
    route,
    requestId,
    served->table.command,
    environment(
      served->environment, route, request.method, requestId,
      now + request.line.timeout, request.principal),
    openInput(),
    request.line.timeout};
  spec.argv.insert(
    spec.argv.end(), request.line.arguments.begin(),
    request.line.arguments.end());
  invocation.reset(new Invocation(
    &served->loop, std::move(spec),
    [this](const char* data, size_t size) { return take(data, size); },
    [this](const Outcome& outcome) { onFinished(outcome); },
    [this]() {
      LOG(INFO) << route.process << route.path << " request " << requestId
                << ": pid " << invocation->pid()
                << ", which could not be killed, has ended";
      leavePlace();
    }));
  ++state.started;
  state.show();
  invocation->start();
}


// The command's standard input.
Try<int> CommandExchange::openInput() const
{
  int fd = -1;
  if (body->file() >= 0) {
    fd = ::fcntl(body->file(), F_DUPFD_CLOEXEC, 3);
  } else if (body->memory().empty()) {
    fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
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
    return ErrnoError();
  }
  ::lseek(fd, 0, SEEK_SET);
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
  body.reset(); // The command had it open until now.
  if (flushing.isSome()) {
    served->loop.cancel(flushing.get());
    flushing = None();
  }
  const bool success = statusOf(route, outcome) < 400;
  if (!success) {
    ++state.failed;
  }
  LOG(INFO) << logLine(request, invocation->pid(), outcome);
  if (!outcome.runsOn()) {
    served->commands.freeId(
      shared_from_this()); // Who has the answer may use it.
  }

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
    served->commands.abandon(shared_from_this());
  } else {
    leavePlace();
  }
}


void CommandExchange::leavePlace()
{
  // The last reference to this may be the registry's. The invocation goes only
  // after its own call has returned.
  const shared_ptr<CommandExchange> self = shared_from_this();
  shared_ptr<Invocation> ended(std::move(invocation));
  served->loop.post([ended]() {});
  served->commands.finish(self);
  state.concurrency.release();
  state.show();
}


void CommandExchange::answerWhole(const Outcome& outcome)
{
  const bool inFile = output->file() >= 0;
  const Answer whole = answer(
    route, outcome,
    inFile ? std::nullopt : std::make_optional(output->memory()));
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
  } else if (waiter != 0) {
    leaveQueue();
    body.reset();
    promise.discard();
  } else if (invocation && route.disconnect == "kill") {
    invocation->end("client-gone");
  }
}


void CommandExchange::refuse(const Refusal& refusal)
{
  if (reader.isSome()) {
    reader->close(); // What still comes is dropped.
    reader = None();
  }
  body.reset();
  ++state.refused;
  promise.set(toResponse(refusalAnswer(refusal, requestId)));
}

} // namespace command {
