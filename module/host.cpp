#include "host.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <system_error>

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
#include <stout/stringify.hpp>

#include "core/formatting.hpp"
#include "core/route_table.hpp"

#include "guard.hpp"
#include "realms.hpp"
#include "spool.hpp"
#include "table_files.hpp"
#include "table_process.hpp"

using std::map;
using std::set;
using std::string;
using std::vector;

namespace command {

// How long the last answers take to get out.
constexpr Duration LAST_ANSWERS = Milliseconds(200);

// How often an agent is asked whether it has been initialized.
constexpr Duration ASK_AGAIN = Milliseconds(20);


// Descriptors that are needed before any request: of the guard and of the end
// in order, of each table's loop, and a few for the first requests.
constexpr size_t DESCRIPTORS = 16;
constexpr size_t DESCRIPTORS_OF_TABLE = 2;


// The processes that serve. They live as long as the agent does: it never
// deletes a module.
static vector<TableProcess*>* processes = new vector<TableProcess*>();


// What the agent can authenticate and what the operator has opened; never
// deleted, like the processes that look at it.
static Openness* openness = nullptr;


// Says which routes nobody may call.
static void warn(const map<string, Table>& tables, const set<string>& guarded)
{
  vector<string> refused;
  for (const auto& entry : tables) {
    foreach (const Route& route, entry.second.routes) {
      if (route.realm && guarded.count(*route.realm) == 0) {
        refused.push_back("/" + route.process + route.path);
      }
    }
  }
  if (refused.empty()) {
    return;
  }
  if (openness->open) {
    LOG(WARNING) << "Everybody may call (unguarded=allow): "
                 << join(refused, ", ");
  } else {
    LOG(WARNING)
      << "Nobody may call (403), since the agent can authenticate nobody for "
         "their realms: "
      << join(refused, ", ")
      << ". Give the agent --http_credentials and "
         "--authenticate_http_readonly, --authenticate_http_readwrite, or the "
         "module the parameter unguarded=allow";
  }
}


static void begin(const map<string, Table>& tables)
{
  foreach (TableProcess* process, *processes) {
    process::spawn(process);
    LOG(INFO) << "Serving commands at /" << process->self().id;
  }
  findGuardedRealms(tables).onAny(
    [tables](const process::Future<set<string>>& found) {
      const set<string> guarded = found.isReady() ? found.get() : set<string>();
      openness->hasCredentials = !guarded.empty();
      warn(tables, guarded);
      LOG(INFO) << "Commands are served on " << process::address();
    });
}


// Until an agent has been initialized its realms have no authenticators, and
// libprocess lets everybody through. What is dispatched to a process that is
// not there is dropped, so this asks again and again.
static void beginAfter(const string& id, const map<string, Table>& tables)
{
  static std::atomic<bool> begun{false};
  const process::UPID pid(id, process::address());
  process::dispatch(pid, [tables]() {
    if (!begun.exchange(true)) {
      begin(tables);
    }
  });
  process::Clock::timer(ASK_AGAIN, [id, tables]() {
    if (!begun) {
      beginAfter(id, tables);
    }
  });
}


// Makes this program fit to start commands.
static Try<Nothing> prepare(size_t tables)
{
  // Commands get the descriptors 0 to 2; nothing else may be there.
  vector<int> fds;
  const size_t needed = DESCRIPTORS + DESCRIPTORS_OF_TABLE * tables;
  while (fds.size() < needed) {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      break;
    }
    if (fd > 2) {
      fds.push_back(fd);
    }
  }
  const bool enough = fds.size() == needed;
  foreach (int fd, fds) {
    ::close(fd);
  }
  if (!enough) {
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return Error(
      "there is no room for the " + stringify(needed) + " descriptors that " +
      stringify(tables) +
      " tables need: raise the limit of open files, which is " +
      stringify(limit.rlim_cur) + " (ulimit -n, LimitNOFILE=)");
  }

  // Ignored, as some supervisors leave it, it has the kernel reap commands
  // before anybody has seen how they ended.
  struct sigaction child;
  if (
    ::sigaction(SIGCHLD, nullptr, &child) == 0 && child.sa_handler == SIG_IGN) {
    ::signal(SIGCHLD, SIG_DFL);
  }

  const Try<Nothing> guarded = startGuard();
  if (guarded.isError()) {
    return Error("a process can't be started: " + guarded.error());
  }
  return Nothing();
}


Try<Nothing> serve(const Parameters& parameters, const Option<string>& after)
{
  vector<string> errors;
  const Settings settings = readSettings(parameters, &errors);
  const map<string, Table> tables = readTables(settings.routes, &errors);
  const Try<Spool*> spool =
    Spool::create(settings.spoolDirectory, settings.spoolLimit);
  if (spool.isError()) {
    errors.push_back("parameter spool_dir: " + spool.error());
  }
  if (!errors.empty()) {
    return Error(join(errors, "\n"));
  }
  const Try<Nothing> prepared = prepare(tables.size());
  if (prepared.isError()) {
    return prepared;
  }
  openness = new Openness();
  openness->open = settings.open;
  openness->names = settings.names;
  try {
    for (const auto& entry : tables) {
      processes->push_back(new TableProcess(
        entry.second, settings.environment, spool.get(), openness));
    }
  } catch (const std::system_error& error) { // Of std::thread.
    return Error(string("a thread can't be started: ") + error.what());
  }
  if (after.isSome()) {
    beginAfter(after.get(), tables);
  } else {
    begin(tables);
  }
  return Nothing();
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
