#include "spawn.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "core/formatting.hpp"

using std::string;
using std::vector;

namespace command {

// The kernel's names, which the headers of older systems do not have.
constexpr int WITH_PIDFD = 0x1000; // CLONE_PIDFD
constexpr long CLOSE_RANGE = 436;


// The limits of a table that are the kernel's.
static const std::map<string, int> RESOURCES = {
  {"address_space", RLIMIT_AS},  {"core", RLIMIT_CORE},
  {"cpu", RLIMIT_CPU},           {"file_size", RLIMIT_FSIZE},
  {"open_files", RLIMIT_NOFILE}, {"processes", RLIMIT_NPROC},
};


// All that the child needs, made before it exists: it must not allocate.
struct PreparedChild
{
  const CommandSpec& spec;
  const char* program;
  char* const* argv;
  char* const* environment;
  int handover; // A socket: takes the read ends of the command's pipes.
  Guarded* guarded;

  // What the child reports: the step that failed, and why.
  const char* volatile step = nullptr;
  volatile int failure = 0;
};


void closeFrom(int first)
{
  if (::syscall(CLOSE_RANGE, first, ~0U, 0) == 0) {
    return;
  }
  // An older kernel: what is open, not the million of what could be. readdir
  // would allocate. The directory itself needs a descriptor.
  ::close(first);
  const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
  alignas(dirent64) char entries[4096];
  long size;
  while ((size = ::syscall(
            SYS_getdents64, directory, entries, sizeof(entries))) > 0) {
    for (long i = 0; i < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + i);
      const int fd = ::atoi(entry->d_name); // 0 for . and ..
      if (fd >= first && fd != directory) {
        ::close(fd);
      }
      i += entry->d_reclen;
    }
  }
  ::close(directory);
}


// A message that carries two descriptors.
struct Handover
{
  Handover()
  {
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }

  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message = {};
};


// Makes the command's pipes and hands their read ends over. The write ends
// never exist in the agent, which may fork at any moment: such a fork would
// hold them, and the command's output would not end with the command.
static bool makePipes(int socket, int* output, int* error)
{
  int outputs[2];
  int errors[2];
  if (::pipe2(outputs, O_CLOEXEC) != 0 || ::pipe2(errors, O_CLOEXEC) != 0) {
    return false;
  }
  *output = outputs[1];
  *error = errors[1];
  Handover handover;
  cmsghdr* rights = CMSG_FIRSTHDR(&handover.message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
  ::memcpy(CMSG_DATA(rights), &outputs[0], sizeof(int));
  ::memcpy(CMSG_DATA(rights) + sizeof(int), &errors[0], sizeof(int));
  return ::sendmsg(socket, &handover.message, MSG_NOSIGNAL) == 1;
}


// Takes the read ends; returns false if not both of them fit into the table of
// descriptors, and then keeps none.
static bool takePipes(int socket, Child* child)
{
  Handover handover;
  const int flags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT;
  if (::recvmsg(socket, &handover.message, flags) != 1) {
    return false;
  }
  int ends[2] = {-1, -1};
  const cmsghdr* rights = CMSG_FIRSTHDR(&handover.message);
  if (rights != nullptr) {
    ::memcpy(ends, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
  }
  if (ends[1] < 0) {
    if (ends[0] >= 0) {
      ::close(ends[0]);
    }
    return false;
  }
  child->output = ends[0];
  child->error = ends[1];
  return true;
}


// Runs in the child, on memory that it shares with the agent, but with a table
// of descriptors of its own: system calls only, and nothing that the agent
// would miss.
static int runChild(void* argument)
{
  PreparedChild* prepared = static_cast<PreparedChild*>(argument);
  const Route& route = prepared->spec.route;
  auto require = [prepared](bool succeeded, const char* step) {
    if (!succeeded) {
      prepared->failure = errno;
      prepared->step = step;
      ::_exit(127);
    }
  };

  // A handler of the agent must not run in here, and what the agent ignores
  // the command would go on ignoring.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    ::sigaction(number, &action, nullptr);
  }
  const pid_t group = ::setsid();
  if (prepared->guarded != nullptr) {
    prepared->guarded->group = group;
  }
  // The agent has descriptors 0 to 2 open, so none of these is one of them.
  ::dup2(prepared->spec.input.get(), 0);
  ::dup2(prepared->handover, 3);
  closeFrom(4); // The agent's table may be full.
  int output;
  int error;
  require(makePipes(3, &output, &error), "a pipe");
  ::dup2(output, 1);
  ::dup2(error, 2);
  closeFrom(3); // Before a limit hides some of them.
  for (const auto& [name, number] : route.limits) {
    const char* step = name.c_str();
    if (name == "umask") {
      ::umask(number);
    } else if (name == "nice") {
      // Nicer already, and not allowed to take it back: stays so.
      const int result = ::setpriority(PRIO_PROCESS, 0, number);
      require(result == 0 || errno == EACCES, step);
    } else {
      const int resource = RESOURCES.at(name);
      rlimit value;
      require(::getrlimit(resource, &value) == 0, step);
      // More than this host may give is as much as it may give.
      value.rlim_cur = value.rlim_max =
        std::min<rlim_t>(number, value.rlim_max);
      require(::setrlimit(resource, &value) == 0, step);
    }
  }
  const char* directory = route.workingDirectory.c_str();
  require(::chdir(directory) == 0, directory);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(prepared->program, prepared->argv, prepared->environment);
  require(false, prepared->program);
  return 0;
}


// The program that a command's first word names: an absolute path, or a name
// to be found in the command's PATH.
static Try<string, StartError> find(const string& name, const string& path)
{
  if (startsWith(name, "/")) {
    return name;
  }
  bool denied = false;
  for (const string& directory : split(path, ':')) {
    const string candidate = directory + "/" + name;
    struct stat status;
    if (
      startsWith(directory, "/") && ::stat(candidate.c_str(), &status) == 0 &&
      S_ISREG(status.st_mode)) {
      if (::access(candidate.c_str(), X_OK) == 0) {
        return candidate;
      }
      denied = true;
    }
  }
  return StartError(
    "start-failed", "The program '" + name + "' " +
                      (denied ? "may not be executed" : "is not") +
                      " in PATH (" + path + ")");
}


static StartError exhausted(const string& words)
{
  return StartError(
    "exhausted", "The host can't start another process now: " + words);
}


static StartError explain(int error, const string& step, const string& program)
{
  const string words = ::strerror(error);
  if (
    error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
    error == ETOOMANYREFS) { // In flight over all of a user's sockets.
    return exhausted(words);
  }
  if (step != program) {
    const bool limit = RESOURCES.count(step) > 0 || step == "nice";
    return StartError(
      "start-failed",
      (limit ? "limit " : "") + step + " can't be used: " + words);
  }
  struct stat status;
  const bool exists = ::stat(program.c_str(), &status) == 0;
  return StartError(
    "start-failed",
    program + " can't be started: " +
      (error == ENOENT && exists ?
         "the interpreter that its first line names does not exist" :
       error == ENOEXEC ?
         "it is neither a program nor a script with a #! line" :
       error == EACCES && exists && S_ISDIR(status.st_mode) ?
         "it is a directory" :
         words));
}


static vector<char*> pointers(const vector<string>& texts)
{
  vector<char*> result;
  for (const string& text : texts) {
    result.push_back(const_cast<char*>(text.c_str()));
  }
  result.push_back(nullptr);
  return result;
}


Try<Child, StartError> spawn(const CommandSpec& spec)
{
  if (spec.input.isError()) {
    return exhausted(spec.input.error());
  }
  const Try<string, StartError> program =
    find(spec.argv[0], spec.environment.at("PATH"));
  if (program.isError()) {
    return program.error();
  }
  vector<string> entries;
  for (const auto& [name, value] : spec.environment) {
    entries.push_back(name + "=" + value);
  }
  const vector<char*> argv = pointers(spec.argv);
  const vector<char*> environment = pointers(entries);

  int handover[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, handover) != 0) {
    return explain(errno, "", program.get());
  }
  // Two pipes will come where now are this and one end of the pair: who has no
  // room for them must know that before the command runs.
  const int room = ::fcntl(handover[0], F_DUPFD_CLOEXEC, 0);
  if (room < 0) {
    const int failure = errno;
    ::close(handover[0]);
    ::close(handover[1]);
    return explain(failure, "", program.get());
  }

  const bool endsWithAgent = spec.route.disconnect == "kill";
  Child child;
  child.guarded = guard(endsWithAgent ? 0 : spec.timeout, spec.route.grace);
  PreparedChild prepared = {spec,        program->c_str(),
                            argv.data(), environment.data(),
                            handover[1], child.guarded};

  // The child runs on a part of this stack, while this thread waits. No
  // signal reaches it before it has its own dispositions.
  alignas(16) char stack[64 * 1024];
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  char* top = stack + sizeof(stack);
  child.pid =
    ::clone(runChild, top, flags | WITH_PIDFD, &prepared, &child.pidfd);
  if (child.pid < 0 && errno == EINVAL) {
    child.pid = ::clone(runChild, top, flags, &prepared); // Without pidfds.
  }
  int failure = child.pid < 0 ? errno : prepared.failure;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  ::close(handover[1]);
  ::close(room);
  if (failure == 0 && !takePipes(handover[0], &child)) {
    // Another thread has taken the room: too late for the command not to have
    // begun, but not for it to end at once.
    ::killpg(child.pid, SIGKILL);
    failure = EMFILE;
  }
  ::close(handover[0]);
  if (failure != 0) {
    reap(child);
    return explain(
      failure, prepared.step == nullptr ? "" : prepared.step, program.get());
  }
  ::fcntl(child.output, F_SETFL, O_NONBLOCK);
  ::fcntl(child.error, F_SETFL, O_NONBLOCK);
  return child;
}


static siginfo_t wait(const Child& child, int options)
{
  siginfo_t info = {};
  int result;
  do {
    result = ::waitid(P_PID, child.pid, &info, WEXITED | options);
  } while (result != 0 && errno == EINTR);
  return info;
}


bool hasExited(const Child& child)
{
  return wait(child, WNOHANG | WNOWAIT).si_pid != 0;
}


string whyAlive(const Child& child, double seconds)
{
  if (::kill(child.pid, SIGKILL) != 0 && errno == EPERM) {
    return string("EPERM, ") + ::strerror(EPERM) +
           ": it has become another user's";
  }
  return "it still runs " + shortSeconds(seconds) + " s after SIGKILL";
}


int reap(const Child& child)
{
  if (child.guarded != nullptr) {
    child.guarded->group = 0; // Its number may soon be another's.
  }
  if (child.pid < 0) {
    return 0;
  }
  if (child.pidfd >= 0) {
    ::close(child.pidfd);
  }
  const siginfo_t info = wait(child, 0);
  if (info.si_pid == 0) {
    return -SIGKILL; // Somebody else has reaped it: that is no success.
  }
  return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

} // namespace command {
