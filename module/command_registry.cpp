#include "command_registry.hpp"

#include <mutex>

#include "command_exchange.hpp"
#include "request_id.hpp"

using std::map;
using std::set;
using std::string;

using process::Future;

namespace command {

// Shared by the threads of all tables; leaked, since commands may outlive
// whatever destroys statics.
static std::mutex& mutex = *new std::mutex();
static set<string>& requestIds = *new set<string>();


void CommandRegistry::wait(const Command& command) { waiting.insert(command); }


void CommandRegistry::leave(const Command& command) { waiting.erase(command); }


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
  running[command] = id;
  return id;
}


void CommandRegistry::abandon(const Command& command)
{
  abandoned.insert(running.extract(command));
  checkClosed();
}


void CommandRegistry::finish(const Command& command)
{
  auto ended = running.extract(command);
  if (!ended) {
    ended = abandoned.extract(command);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex);
    requestIds.erase(ended.mapped());
  }
  checkClosed();
}


Future<Nothing> CommandRegistry::close()
{
  isClosing = true;
  const set<Command> allWaiting = waiting;
  for (const Command& command : allWaiting) {
    command->stopWaiting();
  }
  const map<Command, string> allRunning = running;
  for (const auto& entry : allRunning) {
    entry.first->end("shutdown");
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
