// What the kernel tells of a process.
//
// Source: proc(5), /proc/PID/stat.

#pragma once

#include <stdint.h>

#include <sys/types.h>

namespace command {

struct ProcessStat
{
  pid_t pid;
  char name[16]; // Of its program; NUL-terminated.
  pid_t parent;
  bool forkedOnly; // It still runs the program of who forked it.
  uint64_t began; // Clock ticks from the system's start to its own.

  // Where its stack begins. A fork shares this address with who forked it; a
  // program that is executed gets a random one. 0 where this may not be known.
  uint64_t stack;
};


// Looks at a process; returns false if there is none, or it may not be looked
// at. Makes nothing but system calls, so that a fork of a program with threads
// may use it.
bool readStat(pid_t pid, ProcessStat* stat);

// A descriptor of a process (pidfd_open(2)); -1 where there is none.
int openPidfd(pid_t pid);

// Clock ticks from the system's start to now.
uint64_t ticksNow();

} // namespace command {
