#include "host.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <map>
#include <system_error>
#include <variant>

#include <glog/logging.h>

#include <process/after.hpp>
#include <process/clock.hpp>
#include <process/collect.hpp>
#include <process/dispatch.hpp>
#include <process/future.hpp>
#include <process/io.hpp>
#include <process/pid.hpp>
#include <process/process.hpp>

#include <stout/duration.hpp>
#include <stout/foreach.hpp>
#include <stout/os/ls.hpp>
#include <stout/os/read.hpp>
#include <stout/os/stat.hpp>
#include <stout/path.hpp>
#include <stout/strings.hpp>

#include "core/table.hpp"
#include "core/text.hpp"

#include "guard.hpp"
#include "process.hpp"
#include "spool.hpp"

using std::string;
using std::vector;

namespace command {

// How long the last answers take to get out.
constexpr Duration LAST_ANSWERS = Milliseconds(200);

// How often an agent is asked whether it has been initialized.
constexpr Duration ASK_AGAIN = Milliseconds(20);


// The processes that serve. They live as long as the agent does: it never
// deletes a module.
static vector<TableProcess*>* processes = new vector<TableProcess*>();


// The files that a parameter `routes` names.
static Try<vector<string>> listTables(const string& routes)
{
  if (!os::stat::isdir(routes)) {
    return vector<string>{routes};
  }
  const Try<std::list<string>> entries = os::ls(routes);
  if (entries.isError()) {
    return Error(entries.error());
  }
  vector<string> files;
  foreach (const string& entry, entries.get()) {
    if (strings::endsWith(entry, ".json")) {
      files.push_back(path::join(routes, entry));
    }
  }
  if (files.empty()) {
    return Error("there is no file *.json in this directory");
  }
  std::sort(files.begin(), files.end());
  return files;
}


// Reads one table; adds its mistakes to `errors`.
static void readTable(
  const string& file, std::map<string, Table>* tables, vector<string>* errors)
{
  const Try<string> text = os::read(file);
  if (text.isError()) {
    errors->push_back(file + ": " + text.error());
    return;
  }
  const auto parsed = parse(text.get(), file);
  if (const auto* problems = std::get_if<vector<Problem>>(&parsed)) {
    foreach (const Problem& problem, *problems) {
      errors->push_back(problem.text());
    }
    return;
  }
  const Table& table = std::get<Table>(parsed);
  if (!tables->emplace(table.process, table).second) {
    errors->push_back(
      file + ": /process: another table serves \"" + table.process +
      "\" already");
  }
}


static void begin()
{
  foreach (TableProcess* process, *processes) {
    process::spawn(process);
    LOG(INFO) << "Serving commands at /" << process->self().id;
  }
  LOG(INFO) << "Commands are served on " << process::address();
}


// Until an agent has been initialized its realms have no authenticators, and
// libprocess lets everybody through. What is dispatched to a process that is
// not there is dropped, so this asks again and again.
static void beginAfter(const string& id)
{
  static std::atomic<bool> begun{false};
  const process::UPID pid(id, process::address());
  process::dispatch(pid, []() {
    if (!begun.exchange(true)) {
      begin();
    }
  });
  process::Clock::timer(ASK_AGAIN, [id]() {
    if (!begun) {
      beginAfter(id);
    }
  });
}


Try<Nothing> serve(const Parameters& parameters, const Option<string>& after)
{
  vector<string> errors;
  std::map<string, Table> tables;
  Environment overrides;
  string spoolDirectory = "/tmp";
  Try<Bytes> spoolLimit = Gigabytes(8);
  bool routes = false;

  for (const auto& [name, value] : parameters) {
    auto refuse = [&errors, name = name, value = value](const string& reason) {
      errors.push_back("parameter " + name + " '" + value + "': " + reason);
    };
    if (name == "routes") {
      routes = true;
      const Try<vector<string>> files = listTables(value);
      if (files.isError()) {
        refuse(files.error());
        continue;
      }
      foreach (const string& file, files.get()) {
        readTable(file, &tables, &errors);
      }
    } else if (name == "spool_dir") {
      spoolDirectory = value;
    } else if (name == "spool_limit") {
      spoolLimit = Bytes::parse(value);
      if (spoolLimit.isError() || spoolLimit.get() == 0) {
        refuse("a size such as 8GB or 512MB, above 0");
      }
    } else if (name == "environment") {
      const vector<string> parts = split(value, '=', 1);
      if (
        parts.size() < 2 || parts[0].empty() ||
        consistsOf(parts[0].substr(0, 1), DIGITS) ||
        !consistsOf(parts[0], string(ALPHANUMERIC) + "_")) {
        refuse("NAME=VALUE, where a name has letters, digits and _");
      } else if (startsWith(parts[0], "ABI_")) {
        refuse("variables that start with ABI_ are set by the host");
      } else {
        overrides[parts[0]] = parts[1];
      }
    } else {
      refuse(
        "there is no such parameter; there are: routes, spool_dir, "
        "spool_limit, environment");
    }
  }
  if (!routes) {
    errors.push_back(
      "parameter routes: a route table, or a directory of them, is required");
  }
  if (errors.empty()) {
    const Try<Spool*> spool = Spool::create(spoolDirectory, spoolLimit.get());
    if (spool.isSome()) {
      // Commands get the descriptors 0 to 2; nothing else may be there.
      int fd;
      do {
        fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      } while (fd >= 0 && fd <= 2);
      ::close(fd);

      // Ignored, as some supervisors leave it, it has the kernel reap commands
      // before anybody has seen how they ended.
      struct sigaction child;
      if (
        ::sigaction(SIGCHLD, nullptr, &child) == 0 &&
        child.sa_handler == SIG_IGN) {
        ::signal(SIGCHLD, SIG_DFL);
      }

      const Try<Nothing> guarded = startGuard();
      if (guarded.isError()) {
        return Error("a process can't be started: " + guarded.error());
      }
      try {
        for (const auto& entry : tables) {
          processes->push_back(
            new TableProcess(entry.second, overrides, spool.get()));
        }
      } catch (const std::system_error& error) { // Of std::thread.
        return Error(string("a thread can't be started: ") + error.what());
      }
      if (after.isSome()) {
        beginAfter(after.get());
      } else {
        begin();
      }
      return Nothing();
    }
    errors.push_back("parameter spool_dir: " + spool.error());
  }
  return Error(join(errors, "\n"));
}


// Written to by the handler, and what it replaced.
static int signals[2];
static struct sigaction replaced[NSIG];


static void handle(int number)
{
  // A second signal, whichever of the two, does not wait for anything.
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
  const auto byte = static_cast<unsigned char>(number);
  const ssize_t written = ::write(signals[1], &byte, 1);
  (void)written; // Nothing can be done about it here.
}


void endInOrder(void (*last)(int))
{
  PCHECK(::pipe2(signals, O_CLOEXEC) == 0);
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, &replaced[SIGTERM]);
  ::sigaction(SIGINT, &action, &replaced[SIGINT]);

  process::io::poll(signals[0], process::io::READ).onAny([last](auto&&) {
    vector<process::Future<Nothing>> closed;
    foreach (TableProcess* process, *processes) {
      closed.push_back(process->shutdown());
    }
    process::await(closed)
      .then([](auto&&) { return process::after(LAST_ANSWERS); })
      .onAny([last](auto&&) {
        unsigned char number = SIGTERM;
        const ssize_t size = ::read(signals[0], &number, 1);
        (void)size; // It is readable: that is why this is called.
        ::sigaction(SIGTERM, &replaced[SIGTERM], nullptr);
        ::sigaction(SIGINT, &replaced[SIGINT], nullptr);
        last(number);
      });
  });
}

} // namespace command {
