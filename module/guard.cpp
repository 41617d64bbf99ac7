#include "guard.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>


#include "procfs.hpp"
#include "spawn.hpp"

namespace command {

constexpr size_t MAX_COMMANDS = 16384;
constexpr pid_t TAKEN = -1; // A place whose command has not begun.

constexpr char NAME[] = "command-guard";

// How long a command may take to begin, by the kernel's clock ticks.
constexpr uint64_t LATE_TICKS = 100;

constexpr double MAX_DYING_SECONDS = 10; // Seconds, after SIGKILL.
constexpr timespec PAUSE = {0, 50 * 1000 * 1000};

// What is shared with the guard.
struct Shared
{
  std::atomic<pid_t> guard; // Its own process id.
  Guarded places[MAX_COMMANDS];
};

static Shared* shared = nullptr;


static double now()
{
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}


// Returns whether any process of a command is left.
static bool endCommands(double died)
{
  bool left = false;
  for (Guarded& place : shared->places) {
    const pid_t group = place.group;
    if (group <= 0) {
      continue;
    }
    ProcessStat leader;
    if (readStat(group, &leader) && leader.began > place.began + LATE_TICKS) {
      place.group = 0; // Once it had no process its number went to another.
      continue;
    }
    const double late = now() - std::max(place.end, died);
    if (late >= 0 && !place.terminated) {
      place.terminated = true;
      ::killpg(group, SIGTERM);
      ::killpg(group, SIGCONT);
    }
    if (late >= place.grace) {
      ::killpg(group, SIGKILL);
    }
    // A zombie that nobody reaps stays in its group for ever.
    if (::killpg(group, 0) == 0 && late < place.grace + MAX_DYING_SECONDS) {
      left = true;
    } else {
      place.group = 0;
    }
  }
  return left;
}


// The guard's whole life. It came from a program with threads, so it may use
// nothing but system calls. It watches the agent itself, where the kernel has
// pidfds: the pipe ends only with the last fork of the agent that has not
// executed its program.
static void run(int agent, int pipe)
{
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::setsid();
  ::prctl(PR_SET_NAME, NAME);
  ::dup2(agent >= 0 ? agent : pipe, 0);
  closeFrom(1);
  pollfd watched = {0, POLLIN, 0};
  while (::poll(&watched, 1, -1) < 1) {
  }
  const double died = now();
  do {
    ::nanosleep(&PAUSE, nullptr);
  } while (endCommands(died));
  ::_exit(0);
}


Try<Nothing> startGuard()
{
  void* memory = ::mmap(
    nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
    -1, 0);
  int pipe[2]; // The agent never closes its end.
  if (memory == MAP_FAILED || ::pipe2(pipe, O_CLOEXEC) != 0) {
    return ErrnoError();
  }
  shared = static_cast<Shared*>(memory);
  const int agent = openPidfd(::getpid());
  // Twice, so that it is no child of the agent.
  const pid_t child = ::fork();
  if (child == 0) {
    const pid_t guard = ::fork();
    if (guard == 0) {
      run(agent, pipe[0]);
    }
    shared->guard = guard;
    ::_exit(guard < 0 ? errno : 0);
  }
  ::close(pipe[0]);
  if (agent >= 0) {
    ::close(agent);
  }
  if (child < 0) {
    return ErrnoError();
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) {
    return ErrnoError(WEXITSTATUS(status));
  }
  return Nothing();
}


Guarded* guard(double seconds, double grace)
{
  for (Guarded& place : shared->places) {
    pid_t free = 0;
    if (place.group.compare_exchange_strong(free, TAKEN)) {
      place.began = ticksNow();
      place.end = now() + seconds;
      place.grace = grace;
      place.terminated = false;
      return &place;
    }
  }
  return nullptr;
}


bool isGuarded(pid_t pid)
{
  return std::any_of(
    std::begin(shared->places), std::end(shared->places),
    [pid](const Guarded& place) { return place.group == pid; });
}


pid_t parentOfOrphans()
{
  ProcessStat guard;
  const bool there =
    readStat(shared->guard, &guard) && ::strcmp(guard.name, NAME) == 0;
  return there ? guard.parent : 0;
}

} // namespace command {
