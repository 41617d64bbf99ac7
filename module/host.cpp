#include "host.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <set>
#include <system_error>

#include <glog/logging.h>

#include <process/after.hpp>
#include <process/clock.hpp>
#include <process/collect.hpp>
#include <process/dispatch.hpp>
#include <process/http.hpp>
#include <process/io.hpp>
#include <process/process.hpp>

#ifdef USE_SSL_SOCKET
#include <process/ssl/flags.hpp>
#endif

#include <stout/stringify.hpp>

#include "core/formatting.hpp"
#include "core/route_table.hpp"
#include "core/status_names.hpp"

#include "guard.hpp"
#include "spool.hpp"
#include "settings.hpp"
#include "table_process.hpp"

using std::map;
using std::set;
using std::string;
using std::vector;

namespace command {

// How long the last answers take to get out.
constexpr Duration LAST_ANSWERS = Milliseconds(200);

// How long an answer of this very program may take.
constexpr Duration MAX_ANSWER_TIME = Seconds(5);

// How often an agent is asked whether it has been initialized.
constexpr Duration ASK_AGAIN = Milliseconds(20);


// Descriptors that are needed before any request: of the guard and of the end
// in order, of each table's loop, and a few for the first requests.
constexpr size_t DESCRIPTORS = 16;
constexpr size_t DESCRIPTORS_OF_TABLE = 2;


// The processes that serve. They live as long as the agent does: it never
// deletes a module.
static vector<TableProcess*>* processes = new vector<TableProcess*>();


// Never deleted, like the processes that look at it.
static Access* access = nullptr;


static string scheme()
{
#ifdef USE_SSL_SOCKET
  if (process::network::openssl::flags().enabled) {
    return "https";
  }
#endif
  return "http";
}


// A method that the path does not have, so that nothing is started.
static string unusedMethod(const vector<std::pair<string, size_t>>& methods)
{
  set<string> unused = METHODS;
  unused.erase("HEAD"); // Its answers have bodies, which confuses the client.
  for (const auto& [method, index] : methods) {
    unused.erase(method);
  }
  return unused.empty() ? "" : *unused.begin();
}


// The realm of a path if the path is guarded, else an empty text.
static process::Future<string> ask(
  const string& path, const string& method, const string& realm)
{
  process::http::Request request;
  request.method = method;
  request.url = process::http::URL(
    scheme(), process::address().ip, process::address().port, path);
  return process::http::request(request)
    .after(
      MAX_ANSWER_TIME,
      [](process::Future<process::http::Response> answer)
        -> process::Future<process::http::Response> {
        answer.discard();
        return process::Failure("no answer");
      })
    .then([realm](const process::http::Response& answer) {
      return answer.code == process::http::Status::UNAUTHORIZED ? realm : "";
    })
    .repair([](const process::Future<string>&) { return string(); });
}


// Those of the realms of some tables, which must be served already, that have
// an authenticator. libprocess does not tell; but it refuses whoever asks for
// such a path without credentials, which is what this does.
static process::Future<set<string>> findGuardedRealms(
  const map<string, Table>& tables)
{
  set<string> asked;
  vector<process::Future<string>> answers;
  for (const auto& entry : tables) {
    const Table& table = entry.second;
    for (const auto& [path, methods] : table.paths) {
      const Route& route = table.routes[methods.front().second];
      const string method = unusedMethod(methods);
      if (route.realm && !method.empty() && asked.insert(*route.realm).second) {
        answers.push_back(
          ask("/" + table.process + route.path, method, *route.realm));
      }
    }
  }
  return process::collect(answers).then([](const vector<string>& realms) {
    set<string> guarded(realms.begin(), realms.end());
    guarded.erase("");
    return guarded;
  });
}


// Says which routes nobody may call.
static void warn(const map<string, Table>& tables, const set<string>& guarded)
{
  vector<string> refused;
  for (const auto& entry : tables) {
    for (const Route& route : entry.second.routes) {
      if (route.realm && guarded.count(*route.realm) == 0) {
        refused.push_back("/" + route.process + route.path);
      }
    }
  }
  if (refused.empty()) {
    return;
  }
  if (access->open) {
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
  for (TableProcess* process : *processes) {
    process::spawn(process);
    LOG(INFO) << "Serving commands at /" << process->self().id;
  }
  findGuardedRealms(tables).onAny(
    [tables](const process::Future<set<string>>& found) {
      const set<string> guarded = found.isReady() ? found.get() : set<string>();
      access->hasCredentials = !guarded.empty();
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
  for (int fd : fds) {
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
  const map<string, Table>& tables = settings.tables;
  Spool* spool = new Spool(settings.spoolDirectory, settings.spoolLimit);
  const int file = spool->open();
  if (file < 0) {
    errors.push_back(
      "parameter spool_dir: " + ErrnoError(spool->directory).message);
  }
  ::close(file);
  if (!errors.empty()) {
    return Error(join(errors, "\n"));
  }
  const Try<Nothing> prepared = prepare(tables.size());
  if (prepared.isError()) {
    return prepared;
  }
  access = new Access{settings.open, settings.names};
  try {
    for (const auto& entry : tables) {
      processes->push_back(
        new TableProcess(entry.second, settings.environment, spool, access));
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
    for (TableProcess* process : *processes) {
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
