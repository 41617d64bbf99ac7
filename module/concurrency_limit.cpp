#include "concurrency_limit.hpp"

#include <utility>

namespace command {

Waiter ConcurrencyLimit::acquire(Loop::Task onPlace, Loop::Task onRefused)
{
  if (taken < policy.concurrency && queue.empty()) {
    ++taken;
    onPlace();
    return 0;
  }
  if (static_cast<int64_t>(queue.size()) >= policy.queueLength) {
    onRefused();
    return 0;
  }
  const Waiter waiter = ++last;
  const Loop::Timer timer = loop->after(
    policy.queueSeconds, [this, waiter, refused = std::move(onRefused)]() {
      queue.erase(waiter);
      refused();
    });
  queue.emplace(waiter, Waiting{std::move(onPlace), timer});
  return waiter;
}


void ConcurrencyLimit::leave(Waiter waiter)
{
  const auto found = queue.find(waiter);
  if (found != queue.end()) {
    loop->cancel(found->second.timer);
    queue.erase(found);
  }
}


void ConcurrencyLimit::handOverSoon()
{
  if (!queue.empty() && taken < policy.concurrency && !handingOver) {
    handingOver = true;
    loop->post([this]() { handOver(); });
  }
}


void ConcurrencyLimit::handOver()
{
  handingOver = false;
  if (queue.empty() || taken >= policy.concurrency) {
    return; // Whoever waited has left.
  }
  const auto first = queue.begin();
  const Waiting next = std::move(first->second);
  loop->cancel(next.timer);
  queue.erase(first);
  ++taken;
  handOverSoon();
  next.onPlace();
}

} // namespace command {
