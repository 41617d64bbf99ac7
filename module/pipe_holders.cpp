#include "pipe_holders.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include <glog/logging.h>


#include "core/formatting.hpp"

#include "guard.hpp"
#include "loop.hpp"
#include "procfs.hpp"

using std::set;
using std::string;
using std::vector;

namespace fs = std::filesystem;

namespace command {

// The kernel's number, which the headers of older systems do not have.
constexpr long PIDFD_SEND_SIGNAL = 424;

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
  std::error_code error; // Ends the directory.
  fs::directory_iterator entry("/proc/" + std::to_string(pid) + "/fd", error);
  for (int i = 0; i < MAX_DESCRIPTORS && entry != fs::directory_iterator() &&
                  Loop::Clock::now() < around.end;
       ++i, entry.increment(error)) {
    const string target = fs::read_symlink(*entry, error);
    const fs::perms mode = fs::symlink_status(*entry, error).permissions();
    if (
      !error && startsWith(target, "pipe:") &&
      (mode & fs::perms::owner_write) != fs::perms::none) {
      pipes.insert(target);
    }
  }
  return pipes;
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
  const int pidfd = openPidfd(process.pid);
  if (pidfd < 0 && errno == ESRCH) {
    return; // Else it can't be had here: too old a kernel, a filter.
  }
  const set<string> held = writtenPipes(process.pid, around);
  for (const Search& search : searches) {
    if (std::none_of(held.begin(), held.end(), [&search](const string& pipe) {
          return search.pipes.count(pipe) > 0;
        })) {
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
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error);
       entry != fs::directory_iterator() && Loop::Clock::now() < around.end;
       entry.increment(error)) {
    // 0 for what is no process.
    const pid_t pid = ::atoi(entry->path().filename().c_str());
    ProcessStat process;
    if (pid <= 0 || pid == around.host.pid || !readStat(pid, &process)) {
      continue;
    }
    for (const Search& search : searches) {
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
