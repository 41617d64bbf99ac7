#include "pipe_holders.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include <glog/logging.h>

#include <stout/foreach.hpp>

#include "guard.hpp"
#include "loop.hpp"
#include "procfs.hpp"

using std::set;
using std::string;
using std::vector;

namespace command {

// The kernel's names, which the headers of older systems do not have.
constexpr long PIDFD_SEND_SIGNAL = 424;
constexpr long PIDFD_OPEN = 434;

// What one look may take, and look at of one process.
constexpr std::chrono::seconds MAX_LOOK_TIME(1);
constexpr int MAX_DESCRIPTORS = 65536;
constexpr int MAX_ANCESTORS = 64;


// What a look has to know of the agent itself.
struct Surroundings
{
  ProcessStat host;

  // Who becomes the parent of a process whose own parent has ended: process 1,
  // or the nearest ancestor of the agent, or the agent itself, that has asked
  // for it.
  pid_t reaper;

  Loop::Clock::time_point end; // When to give up.
};


struct DirectoryCloser
{
  void operator()(DIR* directory) const { ::closedir(directory); }
};

using Directory = std::unique_ptr<DIR, DirectoryCloser>;


string pipeName(int fd)
{
  struct stat status = {};
  ::fstat(fd, &status);
  return "pipe:[" + std::to_string(status.st_ino) + "]";
}


// Why a process that holds a command's pipe is not known to descend from it;
// empty if it is. The command has been reaped, so its children have other
// parents by now. What can be seen is that the oldest ancestor which began
// after the command has a parent that takes orphans.
static string whyLeftAlone(
  const ProcessStat& holder, uint64_t began, const Surroundings& around)
{
  if (holder.began < began) {
    return "it began before the command";
  }
  if (
    holder.forkedOnly && holder.stack != 0 &&
    holder.stack == around.host.stack) {
    return "it is a fork of this agent that has not executed its program";
  }
  ProcessStat current = holder;
  for (int i = 0; i < MAX_ANCESTORS; ++i) {
    if (isGuarded(current.pid)) {
      return "it is another command, or was started by one";
    }
    if (around.reaper != 0 && current.parent == around.reaper) {
      return "";
    }
    ProcessStat parent;
    if (!readStat(current.parent, &parent) || parent.began > current.began) {
      return "its parent can't be seen"; // The next look sees another one.
    }
    if (parent.began < began) {
      return string("it was started by ") + parent.name + " (" +
             std::to_string(parent.pid) + "), which is not of the command";
    }
    current = parent;
  }
  return "it has too many ancestors";
}


// The pipes that a process has open for writing, which the mode of the link
// tells.
static set<string> writtenPipes(pid_t pid, const Surroundings& around)
{
  set<string> pipes;
  const string path = "/proc/" + std::to_string(pid) + "/fd";
  const Directory directory(::opendir(path.c_str()));
  if (!directory) {
    return pipes;
  }
  const int fd = ::dirfd(directory.get());
  for (int i = 0; i < MAX_DESCRIPTORS && Loop::Clock::now() < around.end; ++i) {
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      break;
    }
    char target[64];
    const ssize_t size =
      ::readlinkat(fd, entry->d_name, target, sizeof(target));
    if (size < 5 || string(target, 5) != "pipe:") {
      continue;
    }
    struct stat status;
    if (
      ::fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      (status.st_mode & S_IWUSR)) {
      pipes.insert(string(target, size));
    }
  }
  return pipes;
}


static bool holdsAny(const set<string>& held, const set<string>& pipes)
{
  foreach (const string& pipe, pipes) {
    if (held.count(pipe) > 0) {
      return true;
    }
  }
  return false;
}


// Kills a process if it is still the one that was looked at. Returns why it
// can't be, empty if it is or has ended.
static string killProcess(const ProcessStat& process, int pidfd)
{
  ProcessStat now;
  if (!readStat(process.pid, &now) || now.began != process.began) {
    return "";
  }
  const long result =
    pidfd < 0 ? ::kill(process.pid, SIGKILL) :
                ::syscall(PIDFD_SEND_SIGNAL, pidfd, SIGKILL, nullptr, 0);
  return result != 0 && errno == EPERM ?
           string("it can't be killed: ") + ::strerror(EPERM) :
           "";
}


static void judge(
  const ProcessStat& process,
  const vector<Search>& searches,
  const Surroundings& around)
{
  // Opened before the look, so that the signal can't go to a later owner of
  // the number, wherever the kernel allows it.
  const int pidfd = ::syscall(PIDFD_OPEN, process.pid, 0);
  if (pidfd < 0 && errno == ESRCH) {
    return; // Else it can't be had here: too old a kernel, a filter.
  }
  const set<string> held = writtenPipes(process.pid, around);
  foreach (const Search& search, searches) {
    if (!holdsAny(held, search.pipes)) {
      continue;
    }
    string reason = whyLeftAlone(process, search.began, around);
    if (reason.empty()) {
      reason = killProcess(process, pidfd);
      if (reason.empty()) {
        break;
      }
    }
    if (search.last) {
      LOG(WARNING) << "Request " << search.requestId << ": " << process.name
                   << " (" << process.pid
                   << ") holds the command's output and is left alone: "
                   << reason;
    }
  }
  if (pidfd >= 0) {
    ::close(pidfd);
  }
}


static void look(const vector<Search>& searches)
{
  Surroundings around;
  if (!readStat(::getpid(), &around.host)) {
    return;
  }
  around.reaper = parentOfOrphans();
  around.end = Loop::Clock::now() + MAX_LOOK_TIME;
  const Directory directory(::opendir("/proc"));
  while (directory && Loop::Clock::now() < around.end) {
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      return;
    }
    const pid_t pid = ::atoi(entry->d_name); // 0 for what is no process.
    ProcessStat process;
    if (pid <= 0 || pid == around.host.pid || !readStat(pid, &process)) {
      continue;
    }
    foreach (const Search& search, searches) {
      if (search.last || process.began >= search.began) {
        judge(process, searches, around);
        break;
      }
    }
  }
}


void killHolders(const Search& search)
{
  static Loop* loop = new Loop(); // Like all others it never ends.
  static vector<Search>* pending = new vector<Search>();
  loop->post([search]() {
    pending->push_back(search);
    if (pending->size() > 1) {
      return; // The first has asked already.
    }
    // After all that was posted meanwhile, so that they share one look.
    loop->post([]() {
      vector<Search> searches;
      searches.swap(*pending);
      look(searches);
    });
  });
}

} // namespace command {
