// How many commands of a route run at once, and how many requests wait for a
// place.

#pragma once

#include <cstdint>
#include <map>

#include "core/route_policy.hpp"

#include "loop.hpp"

namespace command {

// Somebody in the queue of a route; a number that is never used again. 0 is
// nobody.
using Waiter = uint64_t;


// The places of one route for commands that run at once, and the queue before
// them. Places that become free are handed to those that wait by the loop, one
// a turn: who takes one may give it back at once, however many wait.
//
// To be used on the loop's thread only.
class ConcurrencyLimit
{
public:
  ConcurrencyLimit(Loop* _loop, const Policy& _policy)
    : loop(_loop), policy(_policy)
  {
  }

  // Takes a place, now or later: exactly one of the two is called, unless
  // `leave` is. Returns the waiter if there is no place yet, else 0.
  Waiter acquire(Loop::Task onPlace, Loop::Task onRefused);

  // Stops waiting, if it does; neither of the waiter's calls will come.
  void leave(Waiter waiter);

  // Gives a place back; the first that waits gets it, soon.
  void release()
  {
    --taken;
    handOverSoon();
  }

  int64_t running() const { return taken; }
  size_t waiting() const { return queue.size(); }

private:
  struct Waiting
  {
    Loop::Task onPlace;
    Loop::Timer timer;
  };

  void handOverSoon();
  void handOver();

  Loop* const loop;
  const Policy& policy;
  int64_t taken = 0;
  Waiter last = 0;
  std::map<Waiter, Waiting> queue; // In the order of their coming.
  bool handingOver = false;
};

} // namespace command {
