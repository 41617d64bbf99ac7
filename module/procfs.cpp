#include "procfs.hpp"

#include <sys/syscall.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace command {

// The kernel's number, which the headers of older systems do not have.
constexpr long PIDFD_OPEN = 434;

constexpr uint64_t FORKED_ONLY = 0x40; // The kernel's PF_FORKNOEXEC.

// Of the fields, counted from 1 as in proc(5).
constexpr int PARENT = 4;
constexpr int FLAGS = 9;
constexpr int BEGAN = 22;
constexpr int STACK = 28;


bool readStat(pid_t pid, ProcessStat* stat)
{
  char path[64] = "/proc/";
  ::strcpy(std::to_chars(path + 6, path + 32, pid).ptr, "/stat");
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  char text[1024];
  const ssize_t size = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  if (size <= 0) {
    return false;
  }
  text[size] = '\0';

  // A name may have parentheses and blanks.
  const char* name = ::strchr(text, '(');
  const char* end = ::strrchr(text, ')');
  if (name == nullptr || end == nullptr || end < name) {
    return false;
  }
  ++name;
  const size_t length = std::min<size_t>(end - name, sizeof(stat->name) - 1);
  ::memcpy(stat->name, name, length);
  stat->name[length] = '\0';

  uint64_t fields[STACK + 1] = {};
  const char* field = end + 1; // A blank, and the third field.
  for (int number = 3; number <= STACK; ++number) {
    if (*field != ' ') {
      return false;
    }
    char* next;
    fields[number] = ::strtoull(++field, &next, 10);
    field = next + ::strcspn(next, " "); // The third is a letter.
  }
  stat->pid = pid;
  stat->parent = static_cast<pid_t>(fields[PARENT]);
  stat->forkedOnly = (fields[FLAGS] & FORKED_ONLY) != 0;
  stat->began = fields[BEGAN];
  stat->stack = fields[STACK];
  return true;
}


int openPidfd(pid_t pid)
{
  return static_cast<int>(::syscall(PIDFD_OPEN, pid, 0));
}


uint64_t ticksNow()
{
  timespec time = {};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  const auto perSecond = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return static_cast<uint64_t>(time.tv_sec) * perSecond +
         static_cast<uint64_t>(time.tv_nsec) * perSecond / 1000000000;
}

} // namespace command {
