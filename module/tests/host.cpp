// A host of the command ABI on libprocess alone, for turns that are quicker
// than those of an agent. LIBPROCESS_IP and LIBPROCESS_PORT say where it
// listens. Options are the module's parameters, `--routes=…` and so on, and
//
//   --credentials=FILE  Mesos's JSON form, for all realms that tables name
//   --ballast=MIB       to be held in memory
//   --forks=yes         to fork all the time, as an agent that launches
//                       containers
//   --check=yes         to read the parameters and end

#include <sys/stat.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <thread>

#include <process/authenticator.hpp>
#include <process/owned.hpp>
#include <process/process.hpp>

#include <stout/hashmap.hpp>
#include <stout/os.hpp>
#include <stout/strings.hpp>

#include <nlohmann/json.hpp>

#include "host.hpp"

using std::string;


// The realms that the tables name; an agent knows its own.
static std::set<string> findRealms(const nlohmann::json& value)
{
  std::set<string> realms;
  for (const auto& [name, inner] : value.items()) {
    if (name == "realm" && inner.is_string()) {
      realms.insert(inner.get<string>());
    } else if (inner.is_structured()) {
      realms.merge(findRealms(inner));
    }
  }
  return realms;
}


static void authenticate(const string& file, const command::Parameters& given)
{
  using process::http::authentication::BasicAuthenticator;

  hashmap<string, string> credentials;
  const auto all = nlohmann::json::parse(std::ifstream(file));
  for (const auto& one : all["credentials"]) {
    credentials[one["principal"]] = one["secret"];
  }
  std::set<string> realms = {"mesos-agent-readonly", "mesos-agent-readwrite"};
  for (const auto& [name, value] : given) {
    if (name == "routes" && !os::stat::isdir(value)) {
      realms.merge(findRealms(
        nlohmann::json::parse(std::ifstream(value), nullptr, false)));
    }
  }
  for (const string& realm : realms) {
    process::http::authentication::setAuthenticator(
      realm, process::Owned<process::http::authentication::Authenticator>(
               new BasicAuthenticator(realm, credentials)));
  }
}


// The pipes that a process has open for writing.
static std::set<string> writtenPipes(const string& pid)
{
  std::set<string> pipes;
  const string directory = "/proc/" + pid + "/fd";
  const Try<std::list<string>> names = os::ls(directory);
  if (names.isError()) {
    return pipes;
  }
  for (const string& name : names.get()) {
    const string path = directory + "/" + name;
    char target[64];
    const ssize_t size = ::readlink(path.c_str(), target, sizeof(target));
    struct stat status;
    if (
      size > 5 && string(target, 5) == "pipe:" &&
      ::lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IWUSR)) {
      pipes.insert(string(target, size));
    }
  }
  return pipes;
}


// Twenty forks live at one time and do nothing. They outlive this program for
// longer than any test waits for anything.
static void forkAllTheTime(const std::set<string>& own)
{
  std::deque<pid_t> living;
  for (int number = 0;; ++number) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::signal(SIGTERM, SIG_DFL);
      ::sleep(45);
      ::_exit(0);
    }
    living.push_back(pid);
    for (const string& pipe : writtenPipes(std::to_string(pid))) {
      if (own.count(pipe) == 0) {
        std::cerr << "fork " << pid << " has " << pipe << std::endl;
      }
    }
    if (living.size() > 20) {
      ::kill(living.front(), SIGTERM);
      int status = 0;
      ::waitpid(living.front(), &status, 0);
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) {
        std::cerr << "fork " << living.front() << " ended with status "
                  << status << std::endl;
      }
      living.pop_front();
    }
    if (number % 20 == 0) {
      std::cerr << "forks: " << number << std::endl;
    }
  }
}


int main(int argc, char** argv)
{
  ::signal(SIGPIPE, SIG_IGN);

  command::Parameters given;
  string credentials;
  string ballast;
  bool check = false;
  bool forks = false;
  for (int i = 1; i < argc; ++i) {
    const std::vector<string> parts = strings::split(argv[i], "=", 2);
    if (parts.size() != 2 || !strings::startsWith(parts[0], "--")) {
      std::cerr << "not --name=value: " << argv[i] << std::endl;
      return 64;
    }
    if (parts[0] == "--credentials") {
      credentials = parts[1];
    } else if (parts[0] == "--ballast") {
      ballast.assign(std::stoul(parts[1]) << 20, 'x');
    } else if (parts[0] == "--check") {
      check = true;
    } else if (parts[0] == "--forks") {
      forks = true;
    } else {
      given.emplace_back(parts[0].substr(2), parts[1]);
    }
  }
  process::initialize(
    None(), string("mesos-agent-readwrite"), string("mesos-agent-readonly"));
  if (!credentials.empty()) {
    authenticate(credentials, given);
  }
  const Try<Nothing> served = command::serve(given);
  if (served.isError()) {
    std::cerr << served.error() << std::endl;
    ::_exit(78); // libprocess's threads go on: they must not see statics end.
  }
  if (check) {
    ::_exit(0);
  }
  command::endInOrder([](int) { ::_exit(0); });
  if (forks) {
    std::thread(forkAllTheTime, writtenPipes("self")).detach();
  }
  std::cerr << "serving on http://" << process::address() << std::endl;
  for (;;) {
    ::pause();
  }
}
