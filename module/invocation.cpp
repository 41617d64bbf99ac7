#include "invocation.hpp"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "core/formatting.hpp"

#include "pipe_holders.hpp"
#include "procfs.hpp"

using std::string;

namespace command {

constexpr size_t READ_BYTES = 256 * 1024;

// Of `READ_BYTES`: more than the largest pipe holds.
constexpr int MAX_DRAIN_READS = 16;

// How long pipes are waited for that others hold on to after the command has
// exited, and when to look for who does.
constexpr double MAX_HELD_PIPE_SECONDS = 1;
constexpr double FIRST_LOOK_SECONDS = 0.02;
constexpr double NEXT_LOOK_SECONDS = 0.2;

// How long the end of a command is waited for after SIGKILL. It may have become
// another user's, or wait for a disk that does not answer.
constexpr double MAX_DYING_SECONDS = 2;

// How often to look for an exit where the kernel has no pidfds, and which part
// of a command's time that may cost.
constexpr double POLL_SECONDS = 0.01;
constexpr double POLL_SHARE = 0.02;


static double since(Loop::Clock::time_point then)
{
  return std::chrono::duration<double>(Loop::Clock::now() - then).count();
}


Invocation::Invocation(
  Loop* _loop,
  CommandSpec _spec,
  OnOutput _onOutput,
  OnFinished _onFinished,
  Loop::Task _onLateExit)
  : loop(_loop),
    spec(std::move(_spec)),
    route(spec.route),
    onOutput(std::move(_onOutput)),
    onFinished(std::move(_onFinished)),
    onLateExit(std::move(_onLateExit))
{
  outcome.requestId = spec.requestId;
  outcome.timeout = spec.timeout;
}


void Invocation::start()
{
  started = lastOutput = Loop::Clock::now();
  const Try<Child, StartError> spawned = spawn(spec);
  if (spec.input.isSome()) {
    ::close(spec.input.get());
  }
  if (spawned.isError()) {
    outcome.reason = spawned.error().reason;
    outcome.detail = spawned.error().message;
    finish();
    return;
  }
  child = spawned.get();
  open(&output, child.output);
  open(&error, child.error);
  if (child.pidfd >= 0) {
    exitWatch = loop->watch(child.pidfd, [this]() { exited(); });
  } else {
    after("poll", POLL_SECONDS, [this]() { exited(); });
  }
  after("timeout", outcome.timeout, [this]() { end("timeout"); });
  if (route.idleTimeout) {
    watchIdle();
  }
}


void Invocation::open(Stream* stream, int fd)
{
  stream->fd = fd;
  stream->watch = loop->watch(fd, [this, stream]() { read(stream); });
}


bool Invocation::read(Stream* stream)
{
  static thread_local char data[READ_BYTES];
  if (stream->fd < 0) {
    return false;
  }
  const ssize_t size = ::read(stream->fd, data, sizeof(data));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
    return false;
  }
  if (size <= 0) {
    close(stream);
    if (isReaped() && isDrained()) {
      finish();
    }
    return false;
  }
  lastOutput = Loop::Clock::now();
  if (stream == &output) {
    take(data, size);
  } else {
    string& kept = outcome.stderr_;
    kept.append(data, size);
    kept.erase(0, kept.size() - std::min(kept.size(), MAX_STDERR_BYTES + 1));
  }
  return true;
}


void Invocation::close(Stream* stream)
{
  if (stream->fd >= 0) {
    loop->unwatch(stream->watch);
    ::close(stream->fd);
    stream->fd = -1;
  }
}


void Invocation::take(const char* data, size_t size)
{
  if (cut) {
    return;
  }
  const size_t room = route.maxBytes - passed;
  const size_t taken = std::min(size, room);
  if (taken > 0) {
    const Try<Nothing> written = onOutput(data, taken);
    if (written.isError()) {
      cut = true;
      outcome.detail = written.error();
      end("spool-full");
      return;
    }
    passed += taken;
  }
  if (size > room) {
    cut = true;
    end("output-limit");
  }
}


void Invocation::after(const string& what, double seconds, Loop::Task task)
{
  timers[what] = loop->after(seconds, std::move(task));
}


void Invocation::cancelTimers()
{
  for (const auto& entry : timers) {
    loop->cancel(entry.second);
  }
  timers.clear();
}


void Invocation::watchIdle()
{
  const double left = *route.idleTimeout - since(lastOutput);
  if (left <= 0) {
    end("idle-timeout");
  } else {
    after("idle", left, [this]() { watchIdle(); });
  }
}


void Invocation::end(const string& reason)
{
  if (!outcome.reason.empty() || child.pid <= 0) {
    return;
  }
  if (isReaped() || hasExited(child)) {
    if (cut) {
      outcome.reason = reason; // What it wrote, or who escaped, was too much.
    }
    return;
  }
  outcome.reason = reason;
  ::killpg(child.pid, SIGTERM);
  // A stopped process acts on SIGTERM only once it runs.
  ::killpg(child.pid, SIGCONT);
  after("grace", route.grace, [this]() {
    ::killpg(child.pid, SIGKILL);
    after("dying", MAX_DYING_SECONDS, [this]() { abandon(); });
  });
}


// Waits no longer for the end of a command that SIGKILL has not ended.
void Invocation::abandon()
{
  if (hasExited(child)) {
    exited();
    return;
  }
  abandoned = true;
  outcome.detail = whyAlive(child, MAX_DYING_SECONDS);
  close(&output);
  close(&error);
  finish();
  if (child.pidfd < 0) {
    after("poll", POLL_SECONDS, [this]() { exited(); });
  }
}


void Invocation::exited()
{
  if (child.pidfd < 0 && !hasExited(child)) {
    const double pause = std::max(POLL_SECONDS, POLL_SHARE * since(started));
    after("poll", pause, [this]() { exited(); });
    return;
  }
  ::killpg(child.pid, SIGKILL);
  loop->unwatch(exitWatch);
  if (abandoned) {
    reap(child);
    onLateExit();
    return;
  }
  // Bounded: a process that escaped may go on writing for ever.
  for (Stream* stream : {&error, &output}) {
    for (int i = 0; i < MAX_DRAIN_READS && read(stream); ++i) {
    }
  }
  cancelTimers();
  ProcessStat stat;
  if (!isDrained() && readStat(child.pid, &stat)) {
    began = stat.began; // While the number is still the command's.
  }
  const int status = reap(child);
  if (status < 0) {
    outcome.signal = -status;
  } else {
    outcome.exitCode = status;
  }
  if (isDrained()) {
    finish();
    return;
  }
  after("look", FIRST_LOOK_SECONDS, [this]() { look(); });
  after("held", MAX_HELD_PIPE_SECONDS, [this]() {
    findHolders(true);
    close(&output);
    close(&error);
    finish();
  });
}


// Looks more than once: what escaped may have started others meanwhile.
void Invocation::look()
{
  findHolders(false);
  after("look", NEXT_LOOK_SECONDS, [this]() { look(); });
}


void Invocation::findHolders(bool last)
{
  if (!began) {
    return; // Nobody can be told to be the command's.
  }
  Search search = {{}, *began, spec.requestId, last};
  for (const Stream* stream : {&output, &error}) {
    if (stream->fd >= 0) {
      search.pipes.insert(pipeName(stream->fd));
    }
  }
  killHolders(search);
}


void Invocation::finish()
{
  cancelTimers();
  if (outcome.reason.empty()) {
    outcome.reason = outcome.signal ? "signal" : "exit";
  }
  outcome.seconds = since(started);
  onFinished(outcome);
}

} // namespace command {
