#include "command_exchange.hpp"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <glog/logging.h>

#include <stout/stringify.hpp>

#include "log_line.hpp"

using std::shared_ptr;
using std::string;

using process::Future;

using process::http::Pipe;
using process::http::Response;

namespace command {

// How much of a body may have arrived and not be written yet before its sender
// is held up, and for how long at each piece of it.
constexpr int64_t MAX_BACKLOG = 8 << 20;
constexpr int HOLD_UP_MS = 5;

// How long, and how much, what a command writes to a stream may wait for more.
constexpr double HELD_SECONDS = 0.02;
constexpr size_t MAX_HELD = 64 * 1024;


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


Exchange::Exchange(
  Service* _service,
  const Route& _route,
  const Arguments& _arguments,
  const string& _method,
  const string& _requestId,
  const Option<string>& _principal,
  const Option<process::network::Address>& _client)
  : client(_client),
    service(_service),
    route(_route),
    arguments(_arguments),
    method(_method),
    requestId(_requestId),
    principal(_principal),
    places(_service->places.at(&_route).get())
{
}


Future<Response> Exchange::start(const Pipe::Reader& _reader)
{
  const shared_ptr<Exchange> self = shared_from_this();
  const Future<Response> response = promise.future();
  response.onDiscard(
    [self]() { self->service->loop.post([self]() { self->gone(); }); });
  reader = _reader;
  receive(_reader);
  return response;
}


// Takes each piece of the body when it arrives, on the thread that received
// it: what nobody takes from the pipe would be kept in it, however much.
void Exchange::receive(Pipe::Reader from)
{
  const shared_ptr<Exchange> self = shared_from_this();
  for (;;) {
    const Future<string> piece = from.read();
    if (piece.isPending()) {
      piece.onAny([self, from](const Future<string>& piece) {
        if (self->arrived(piece)) {
          self->holdUp();
          self->receive(from);
        }
      });
      return;
    }
    if (!arrived(piece)) {
      return;
    }
  }
}


// Hands a piece over to the loop; returns whether there may be more.
bool Exchange::arrived(const Future<string>& piece)
{
  const bool more = piece.isReady() && !piece->empty();
  if (more) {
    backlog += piece->size();
  }
  const shared_ptr<Exchange> self = shared_from_this();
  service->loop.post([self, piece]() { self->received(piece); });
  return more;
}


// libprocess knows no flow control: a client that is faster than the disk
// would fill the memory. To be called on the thread that reads all sockets:
// it may be held up, but for a moment only. An actor may not.
void Exchange::holdUp() const
{
  for (int i = 0; i < HOLD_UP_MS && backlog > MAX_BACKLOG; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}


void Exchange::received(const Future<string>& piece)
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
    body = std::make_shared<Buffer>(service->spool);
  }
  const Try<Nothing> written = body->write(piece->data(), piece->size());
  if (written.isError()) {
    LOG(WARNING) << "Refusing request " << requestId << ": " << written.error();
    refuse(spoolFull());
  }
}


void Exchange::queue()
{
  if (service->closing) {
    refuse(shuttingDown());
    return;
  }
  const shared_ptr<Exchange> self = shared_from_this();
  if (places->running < route.concurrency) {
    service->add(self);
    ++places->running;
    run();
    return;
  }
  const auto length = static_cast<size_t>(route.queueLength);
  if (places->waiting.size() >= length) {
    refuse(busy(route));
    return;
  }
  service->add(self);
  places->waiting.push_back(self);
  places->waitingGauge = places->waiting.size();
  patience =
    service->loop.after(route.queueSeconds, [self]() { self->giveUp(); });
}


void Exchange::giveUp()
{
  leaveQueue();
  refuse(busy(route));
}


void Exchange::leaveQueue()
{
  const shared_ptr<Exchange> self = shared_from_this();
  service->loop.cancel(patience.get());
  patience = None();
  auto& waiting = places->waiting;
  waiting.erase(
    std::remove(waiting.begin(), waiting.end(), self), waiting.end());
  places->waitingGauge = waiting.size();
  service->running.erase(self);
}


void Exchange::run()
{
  if (isGone || service->closing) { // While the place was handed over.
    if (isGone) {
      promise.discard();
    } else {
      refuse(shuttingDown());
    }
    release();
    return;
  }
  const double now = std::chrono::duration<double>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  claimed.reset(new ClaimedId(requestId));
  requestId = claimed->value;
  const Try<int> input = openInput();
  Launch launch(route);
  launch.argv = service->table.command;
  launch.argv.insert(
    launch.argv.end(), arguments.words.begin(), arguments.words.end());
  launch.environment = command::environment(
    service->environment, route, method, requestId, now + arguments.timeout,
    principal.isSome() ? std::make_optional(principal.get()) : std::nullopt);
  launch.timeout = arguments.timeout;
  invocation.reset(new Invocation(
    &service->loop, route, arguments.timeout, requestId,
    [this](const char* data, size_t size) { return take(data, size); },
    // The last reference to this may be the one in `running`.
    [this](const Outcome& outcome) { finished(outcome); }));
  ++places->started;
  places->runningGauge = places->running;
  if (input.isError()) {
    Outcome outcome;
    outcome.requestId = requestId;
    outcome.reason = "exhausted";
    outcome.detail = input.error();
    finished(outcome);
    return;
  }
  launch.input = input.get();
  invocation->start(launch);
  ::close(input.get());
}


// The command's standard input, to be closed here after the start.
Try<int> Exchange::openInput()
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


Try<Nothing> Exchange::take(const char* data, size_t size)
{
  if (isGone) {
    return Nothing();
  }
  if (route.delivery == "stream") {
    beginStream();
    endsWithNewline = data[size - 1] == '\n';
    held.append(data, size);
    if (flushing.isNone() || held.size() >= MAX_HELD) {
      flush();
    }
    return Nothing();
  }
  if (!output) {
    output = std::make_shared<Buffer>(service->spool);
  }
  return output->write(data, size);
}


// Writes what is held, and lets what comes next wait for a moment: libprocess
// keeps each write of a stream as an object of its own, which costs many times
// the size of a small one.
void Exchange::flush()
{
  writer->write(held);
  held.clear();
  if (flushing.isNone()) {
    flushing = service->loop.after(HELD_SECONDS, [this]() {
      flushing = None();
      if (!held.empty()) {
        flush();
      }
    });
  }
}


void Exchange::beginStream()
{
  if (writer.isSome()) {
    return;
  }
  Pipe pipe;
  writer = pipe.writer();
  // The answer holds the pipe, so the pipe must not hold this. As long as the
  // command runs, `running` does.
  const std::weak_ptr<Exchange> weak = shared_from_this();
  writer->readerClosed().onReady([weak](const Nothing&) {
    if (const shared_ptr<Exchange> self = weak.lock()) {
      self->service->loop.post([self]() { self->gone(); });
    }
  });
  Response response = toResponse(streamAnswer(route));
  response.type = Response::PIPE;
  response.reader = pipe.reader();
  promise.set(response);
}


void Exchange::finished(const Outcome& outcome)
{
  // Keeps this alive until the end; `running` lets go of it.
  const shared_ptr<Exchange> self = shared_from_this();

  claimed.reset();
  body.reset(); // The command had it open until now.
  if (flushing.isSome()) {
    service->loop.cancel(flushing.get());
    flushing = None();
  }
  const bool success = statusOf(route, outcome) < 400;
  if (!success) {
    ++places->failed;
  }
  LOG(INFO) << logLine(method, route, principal, invocation->pid(), outcome);

  if (isGone) {
    promise.discard();
    output.reset();
  } else if (writer.isSome() || (route.delivery == "stream" && success)) {
    beginStream();
    // Never `fail`: that would write a second head into the body.
    if (!held.empty()) {
      writer->write(held);
    }
    writer->write((endsWithNewline ? "" : "\n") + exitRecord(outcome));
    writer->close();
  } else {
    answerWhole(outcome);
  }

  // What refers to this must go, or it would stay for ever. The invocation
  // goes only after its own call has returned.
  writer = None();
  shared_ptr<Invocation> ended(std::move(invocation));
  service->loop.post([ended]() {});
  release();
}


// Gives the place back; the first that waits gets it.
void Exchange::release()
{
  service->running.erase(shared_from_this());
  --places->running;
  if (!places->waiting.empty()) {
    const shared_ptr<Exchange> next = places->waiting.front();
    next->leaveQueue();
    service->add(next);
    ++places->running;
    service->loop.post([next]() { next->run(); });
  }
  places->runningGauge = places->running;
  if (service->closing && service->running.empty()) {
    service->closed.set(Nothing());
  }
}


void Exchange::answerWhole(const Outcome& outcome)
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


void Exchange::gone()
{
  if (isGone) {
    return;
  }
  isGone = true;
  if (reader.isSome()) {
    reader->close();
    reader = None();
    body.reset();
    promise.discard();
  } else if (patience.isSome()) {
    leaveQueue();
    body.reset();
    promise.discard();
  } else if (invocation && route.disconnect == "kill") {
    invocation->end("client-gone");
  }
}


void Exchange::shutdown()
{
  if (patience.isSome()) {
    leaveQueue();
    refuse(shuttingDown());
  } else if (invocation) {
    invocation->end("shutdown");
  }
}


void Exchange::refuse(const Refusal& refusal)
{
  if (reader.isSome()) {
    reader->close(); // What still comes is dropped.
    reader = None();
  }
  body.reset();
  ++places->refused;
  promise.set(toResponse(refusalAnswer(refusal, requestId)));
}

} // namespace command {
