#include "escaped.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <string>

#include <stout/foreach.hpp>
#include <stout/numify.hpp>
#include <stout/try.hpp>
#include <stout/os/ls.hpp>

using std::string;
using std::vector;

namespace command {

// The kernel's names, which the headers of older systems do not have.
constexpr long PIDFD_SEND_SIGNAL = 424;
constexpr long PIDFD_OPEN = 434;


// Whether a process has one of these pipes open for writing, which the mode of
// the link tells (proc(5)).
static bool holds(const string& pid, const vector<string>& ends)
{
  const string directory = "/proc/" + pid + "/fd";
  const Try<std::list<string>> names = os::ls(directory);
  if (names.isError()) {
    return false;
  }
  foreach (const string& name, names.get()) {
    const string path = directory + "/" + name;
    char target[64];
    const ssize_t size = ::readlink(path.c_str(), target, sizeof(target));
    struct stat status;
    if (
      size > 0 &&
      std::count(ends.begin(), ends.end(), string(target, size)) > 0 &&
      ::lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IWUSR)) {
      return true;
    }
  }
  return false;
}


void killHolders(const vector<int>& pipes)
{
  vector<string> ends;
  for (const int pipe : pipes) {
    struct stat status;
    if (::fstat(pipe, &status) == 0) {
      ends.push_back("pipe:[" + std::to_string(status.st_ino) + "]");
    }
  }
  const Try<std::list<string>> names = os::ls("/proc");
  if (names.isError()) {
    return;
  }
  foreach (const string& name, names.get()) {
    const Try<pid_t> pid = numify<pid_t>(name);
    if (pid.isError() || pid.get() == ::getpid()) {
      continue;
    }
    // Opened before the look, so that the signal can't go to a later owner of
    // the number, wherever the kernel allows it.
    const int pidfd = ::syscall(PIDFD_OPEN, pid.get(), 0);
    if (pidfd < 0 && errno == ESRCH) {
      continue; // Else it can't be had here: too old a kernel, a filter.
    }
    if (holds(name, ends)) {
      if (pidfd < 0) {
        ::kill(pid.get(), SIGKILL);
      } else {
        ::syscall(PIDFD_SEND_SIGNAL, pidfd, SIGKILL, nullptr, 0);
      }
    }
    if (pidfd >= 0) {
      ::close(pidfd);
    }
  }
}

} // namespace command {
