/* The yardstick of the host benchmarks: start a command with posix_spawn and wait for it, again and
 * again, in one thread.  Prints nothing; the caller measures time and CPU. */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
  char *environment[] = {"PATH=/usr/bin:/bin", NULL};
  if (argc < 3) return 64;
  for (long left = atol(argv[1]); left > 0; --left) {
    pid_t pid;
    int status;
    if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environment) != 0) return 71;
    if (waitpid(pid, &status, 0) != pid) return 71;
  }
  return 0;
}
