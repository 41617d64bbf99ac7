#include "command_registry.hpp"

#include <mutex>
#include <random>

#include "command_exchange.hpp"

using std::set;
using std::string;

namespace command {

// Shared by the threads of all tables; leaked, since commands may outlive
// whatever destroys statics.
static std::mutex& mutex = *new std::mutex();
static set<string>& requestIds = *new set<string>();


string randomRequestId()
{
  static thread_local std::random_device device;
  char id[17];
  snprintf(id, sizeof(id), "%08x%08x", device(), device());
  return id;
}


string CommandRegistry::start(const Command& command, const string& requestId)
{
  waiting.erase(command);
  string id = requestId;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    while (!requestIds.insert(id).second) {
      id = randomRequestId();
    }
  }
  running.insert(command);
  ids[command] = id;
  return id;
}


void CommandRegistry::abandon(const Command& command)
{
  running.erase(command);
  checkClosed();
}


void CommandRegistry::freeId(const Command& command)
{
  const auto id = ids.extract(command);
  const std::lock_guard<std::mutex> lock(mutex);
  requestIds.erase(id.empty() ? "" : id.mapped());
}


void CommandRegistry::finish(const Command& command)
{
  freeId(command);
  running.erase(command);
  checkClosed();
}


process::Future<Nothing> CommandRegistry::close()
{
  isClosing = true;
  const set<Command> allWaiting = waiting;
  for (const Command& command : allWaiting) {
    command->stopWaiting();
  }
  const set<Command> allRunning = running;
  for (const Command& command : allRunning) {
    command->end("shutdown");
  }
  checkClosed();
  return closed.future();
}


void CommandRegistry::checkClosed()
{
  if (isClosing && running.empty()) {
    closed.set(Nothing());
  }
}

} // namespace command {
