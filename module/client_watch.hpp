// Clients that left without libprocess telling anybody.
//
// NOTE: ending the proxy of a connection drops the requests that it has not
// seen yet (process.cpp, `HttpProxy`). So for a while each exchange is looked
// at for whether its connection is still among this program's descriptors.

#pragma once

#include <list>
#include <memory>

#include <process/address.hpp>

#include "loop.hpp"

namespace command {

class CommandExchange;


// To be used on the loop's thread only.
class ClientWatch
{
public:
  explicit ClientWatch(Loop* _loop) : loop(_loop) {}

  // Looks after a request; tells it when its client has gone.
  void add(
    const std::shared_ptr<CommandExchange>& exchange,
    const process::network::Address& client);

private:
  struct Watched
  {
    std::weak_ptr<CommandExchange> exchange;
    process::network::Address client;
    Loop::Clock::time_point end;
  };

  void sweep();

  Loop* const loop;
  std::list<Watched> watched; // While there are any, a sweep is to come.
};

} // namespace command {
