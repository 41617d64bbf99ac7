// Which commands of a table wait and which run, the request ids that are
// taken, and their end.

#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include <process/future.hpp>

#include <stout/nothing.hpp>

namespace command {

class CommandExchange;

// An id for a request that brings none.
std::string randomRequestId();


// Keeps the commands that it knows of alive. To be used on the loop's thread
// only.
class CommandRegistry
{
public:
  using Command = std::shared_ptr<CommandExchange>;

  // A command waits for a place.
  void wait(const Command& command) { waiting.insert(command); }

  // A command does not wait any more; harmless for one that did not.
  void leave(const Command& command) { waiting.erase(command); }

  // A command starts now. Returns its id: the request's, unless a command of
  // this host that runs has the same. Processes are found by it.
  std::string start(const Command& command, const std::string& requestId);

  // A command can't be killed: its end is not waited for, but its id stays
  // taken.
  void abandon(const Command& command);

  // The id may be another command's from now on.
  void freeId(const Command& command);

  // A command has ended, or could not be started.
  void finish(const Command& command);

  // Starts no command any more, and ends those that run as their routes say;
  // ready at their end.
  process::Future<Nothing> close();

  bool closing() const { return isClosing; }

private:
  void checkClosed();

  std::set<Command> waiting;
  std::set<Command> running; // Without those whose end is not waited for.
  std::map<Command, std::string> ids; // Of those, too.
  bool isClosing = false;
  process::Promise<Nothing> closed;
};

} // namespace command {
