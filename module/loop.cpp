#include "loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <glog/logging.h>

namespace command {

using std::chrono::milliseconds;

Loop::Loop()
  : epoll(::epoll_create1(EPOLL_CLOEXEC)),
    wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
  PCHECK(epoll >= 0 && wakeup >= 0) << "Failed to create an event loop";
  watch(wakeup, [this]() { runPosted(); });

  // The agent's signals are for the agent's threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([this]() { run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}


void Loop::post(Task task)
{
  bool first;
  {
    std::lock_guard<std::mutex> lock(mutex);
    first = posted.empty();
    posted.push_back(std::move(task));
  }
  if (first) {
    eventfd_write(wakeup, 1);
  }
}


void Loop::runPosted()
{
  eventfd_t count;
  eventfd_read(wakeup, &count);
  std::vector<Task> tasks;
  {
    std::lock_guard<std::mutex> lock(mutex);
    tasks.swap(posted);
  }
  for (const Task& task : tasks) {
    task();
  }
}


uint64_t Loop::watch(int fd, Task task)
{
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = ++counter;
  PCHECK(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
  watches.emplace(counter, Watch{fd, std::move(task)});
  return counter;
}


void Loop::unwatch(uint64_t watch)
{
  const auto found = watches.find(watch);
  if (found != watches.end()) {
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, found->second.fd, nullptr);
    watches.erase(found);
  }
}


Loop::Timer Loop::after(double seconds, Task task)
{
  const Timer timer(
    Clock::now() + std::chrono::duration_cast<Clock::duration>(
                     std::chrono::duration<double>(seconds)),
    ++counter);
  timers.emplace(timer, std::move(task));
  return timer;
}


int Loop::runTimers()
{
  while (!timers.empty()) {
    const auto first = timers.begin();
    const auto left = first->first.first - Clock::now();
    if (left > Clock::duration::zero()) {
      const auto ms = std::chrono::ceil<milliseconds>(left).count();
      return static_cast<int>(std::min<int64_t>(ms, 1000 * 1000));
    }
    const Task task = std::move(first->second);
    timers.erase(first);
    task();
  }
  return -1;
}


void Loop::run()
{
  epoll_event events[256];
  for (;;) {
    const int count = ::epoll_wait(epoll, events, 256, runTimers());
    PCHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; ++i) {
      // An earlier event may have ended this watch.
      const auto found = watches.find(events[i].data.u64);
      if (found != watches.end()) {
        const Task task = found->second.task; // It may end the watch, too.
        task();
      }
    }
  }
}

} // namespace command {
