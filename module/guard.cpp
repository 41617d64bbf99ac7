#include "guard.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include <stout/error.hpp>

#include "spawn.hpp"

namespace command {

constexpr size_t PLACES = 16384;
constexpr pid_t TAKEN = -1; // A place whose command has not begun.

constexpr double PATIENCE = 10; // Seconds, after SIGKILL.
constexpr timespec PAUSE = {0, 50 * 1000 * 1000};

static Guarded* places = nullptr; // Shared with the guard.


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
  for (Guarded* place = places; place < places + PLACES; ++place) {
    const pid_t group = place->group;
    if (group <= 0) {
      continue;
    }
    const double late = now() - std::max(place->end, died);
    if (late >= 0 && !place->told) {
      place->told = true;
      ::killpg(group, SIGTERM);
      ::killpg(group, SIGCONT);
    }
    if (late >= place->grace) {
      ::killpg(group, SIGKILL);
    }
    // A zombie that nobody reaps stays in its group for ever.
    if (::killpg(group, 0) == 0 && late < place->grace + PATIENCE) {
      left = true;
    } else {
      place->group = 0;
    }
  }
  return left;
}


// The guard's whole life. It came from a program with threads, so it may use
// nothing but system calls; it keeps nothing of the agent open, and no signal
// that is meant for the agent ends it.
static void run(int pipe)
{
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::setsid();
  ::prctl(PR_SET_NAME, "command-guard");
  ::dup2(pipe, 0);
  closeFrom(1);
  char byte;
  while (::read(0, &byte, 1) < 0) {
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
    nullptr, PLACES * sizeof(Guarded), PROT_READ | PROT_WRITE,
    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int pipe[2]; // The agent never closes its end.
  if (memory == MAP_FAILED || ::pipe2(pipe, O_CLOEXEC) != 0) {
    return ErrnoError();
  }
  places = static_cast<Guarded*>(memory);
  // Twice, so that it is no child of the agent.
  const pid_t child = ::fork();
  if (child == 0) {
    const pid_t guard = ::fork();
    if (guard == 0) {
      run(pipe[0]);
    }
    ::_exit(guard < 0 ? errno : 0);
  }
  ::close(pipe[0]);
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
  for (Guarded* place = places; place < places + PLACES; ++place) {
    pid_t free = 0;
    if (place->group.compare_exchange_strong(free, TAKEN)) {
      place->end = now() + seconds;
      place->grace = grace;
      place->told = false;
      return place;
    }
  }
  return nullptr;
}

} // namespace command {
