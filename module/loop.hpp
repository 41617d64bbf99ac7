// A thread that waits for descriptors and timers of commands.
//
// Starting a command, draining it and writing to a spool take a while; no
// actor of the agent should wait for them. So each table has a thread of its
// own. Timers are monotonic: libprocess's own follow the system clock.

#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace command {

class Loop
{
public:
  using Task = std::function<void()>;
  using Clock = std::chrono::steady_clock;
  using Timer = std::pair<Clock::time_point, uint64_t>;

  // Never ends: the agent deletes no module, and nothing here.
  Loop();

  // Has `task` run on the loop's thread; can be called on any thread.
  void post(Task task);

  // All that follows is for the loop's own thread.

  // Calls `task` whenever `fd` is readable, until `unwatch`. The number that
  // is returned is never used again.
  uint64_t watch(int fd, Task task);
  void unwatch(uint64_t watch);

  // Calls `task` once. Timers that ran can be cancelled without harm.
  Timer after(double seconds, Task task);
  void cancel(const Timer& timer) { timers.erase(timer); }

private:
  struct Watch
  {
    int fd;
    Task task;
  };

  void run();
  void runPosted();
  int runTimers(); // Returns how long to wait for the next, in ms, or -1.

  const int epoll;
  const int wakeup;
  uint64_t counter = 0;
  std::unordered_map<uint64_t, Watch> watches;
  std::map<Timer, Task> timers;

  std::mutex mutex;
  std::vector<Task> posted; // Under the mutex.
};

} // namespace command {
