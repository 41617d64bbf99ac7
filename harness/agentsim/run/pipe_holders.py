"""Processes that left their invocation's process group but still hold its pipes.

A command's descendant can take a session of its own, and then no signal to the group reaches it. It
is known by what it holds: an end of a pipe that was made for this command alone, for writing. Its
environment would tell less: it may have made itself a new one, and a request id may be used again.

But not all who hold a pipe are the command's: a descriptor can be handed over, and a fork of the
host has what the host had. So only who descends from the command, as far as the kernel tells, is
killed. Everybody else is left alone, and named in the log.

The look goes through all of /proc, which takes a while where there are thousands of processes: it
has a thread of its own, and all who want to look at one time share one look.

Source: proc(5), `/proc/PID/fd`: the mode of a link tells how the descriptor was opened;
pidfd_send_signal(2); PR_SET_CHILD_SUBREAPER(2const) on who becomes an orphan's parent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from agentsim.run.procfs import Process, read_process

#: Seconds that one look may take.
MAX_LOOK_SECONDS = 1.0
#: Descriptors of one process that are looked at.
MAX_DESCRIPTORS = 65536
_MAX_ANCESTORS = 64

# The kernel does not tell which ancestor has asked for orphans. So this makes one, which says who
# its parent is once the process between has ended.
_ORPHAN = """
import os
gate, key = os.pipe()
middle = os.fork()
if not middle:
    if os.fork():
        os._exit(0)
    os.close(key)
    os.read(gate, 1)
    os.write(1, b"%d" % os.getppid())
    os._exit(0)
os.waitpid(middle, 0)
"""
_ORPHAN_SECONDS = 20

Reader = Callable[[int], Process | None]


@dataclass(frozen=True, slots=True)
class Bystander:
    """A process that holds a command's pipe and was left alone.

    Attributes:
        process: who.
        reason: why it is not taken for the command's.
    """

    process: Process
    reason: str


@dataclass(frozen=True, slots=True)
class Search:
    """Who may hold the pipes of one command that has ended.

    Attributes:
        pipes: as `/proc/PID/fd` names them.
        began: clock ticks from the system's start to the command's.
        everybody: whether those that began before the command are looked at too. They are never
            killed, so this is only to name them.
        on_bystanders: told who was left alone, on the thread that looks.
    """

    pipes: frozenset[str]
    began: int
    everybody: bool
    on_bystanders: Callable[[Sequence[Bystander]], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a look has to know of the host itself.

    Attributes:
        host: the host's own process.
        reaper: who becomes the parent of a process whose own parent has ended: process 1, or the
            nearest ancestor of the host, or the host itself, that has asked for it. 0 if that could
            not be found out.
        commands: the host's commands that run now.
    """

    host: Process
    reaper: int
    commands: Collection[int]


def pipe_name(descriptor: int) -> str:
    """A pipe as `/proc/PID/fd` names both of its ends."""
    return f"pipe:[{os.fstat(descriptor).st_ino}]"


def why_left_alone(holder: Process, began: int, around: Surroundings, read: Reader) -> str:
    """Decide whether a process that holds a command's pipe descends from the command.

    The command has been reaped, so its children have other parents by now. What can be seen is
    that the oldest ancestor which began after the command has a parent that takes orphans.

    Args:
        holder: the process.
        began: when the command began, in clock ticks.
        around: the host.
        read: looks at a process.

    Returns:
        Why not; an empty text if it does.
    """
    if holder.began < began:
        return "it began before the command"
    if holder.forked_only and holder.stack and holder.stack == around.host.stack:
        return "it is a fork of this host that has not executed its program"
    current = holder
    for _ in range(_MAX_ANCESTORS):
        if current.pid in around.commands:
            return "it is another command, or was started by one"
        if around.reaper and current.parent == around.reaper:
            return ""
        parent = read(current.parent)
        if parent is None or parent.began > current.began:
            return "its parent can't be seen"  # has just ended: the next look sees another one
        if parent.began < began:
            return f"it was started by {parent.name} ({parent.pid}), which is not of the command"
        current = parent
    return "it has too many ancestors"


class HolderSearch:
    """Looks for processes that hold pipes, and kills those that descend from their command.

    Args:
        commands: which commands of this host run now.
    """

    def __init__(self, commands: Callable[[], Collection[int]]) -> None:
        self._commands = commands
        self._lock = threading.Lock()
        self._pending: list[Search] = []
        self._looking = False

    def begin(self, search: Search) -> None:
        """Look soon, on another thread; never waits."""
        with self._lock:
            self._pending.append(search)
            if self._looking:
                return
            self._looking = True
        try:
            threading.Thread(target=self._look, name="pipe-holders", daemon=True).start()
        except RuntimeError:  # no thread can be had: whoever asks again will be heard
            with self._lock:
                self._pending.clear()
                self._looking = False

    def _look(self) -> None:
        while True:
            with self._lock:
                searches, self._pending = self._pending, []
                if not searches:
                    self._looking = False
                    return
            look(searches, frozenset(self._commands()))


def look(searches: Sequence[Search], commands: Collection[int]) -> None:
    """Go through all processes once, for several commands; bounded in time.

    Args:
        searches: what is looked for.
        commands: the host's commands that run now.
    """
    host = read_process("self")
    if host is None:
        return
    around = Surroundings(host, find_reaper(), commands)
    end = time.monotonic() + MAX_LOOK_SECONDS
    found: dict[int, list[Bystander]] = {}
    for pid in _process_ids():
        if pid == host.pid:
            continue
        if time.monotonic() > end:
            break
        process = read_process(pid)
        if process is None:
            continue
        possible = [s for s in searches if s.everybody or process.began >= s.began]
        if possible:
            _judge(process, possible, around, found, end)
    for index, search in enumerate(searches):
        if index in found:
            search.on_bystanders(found[index])


def _judge(
    process: Process,
    searches: Sequence[Search],
    around: Surroundings,
    found: dict[int, list[Bystander]],
    end: float,
) -> None:
    try:
        # Opened before the look, so that the signal can't go to a later owner of the number.
        pidfd = os.pidfd_open(process.pid)
    except OSError as error:
        if error.errno == errno.ESRCH:
            return
        pidfd = -1  # too old a kernel, a filter
    try:
        written = set(_written_pipes(process.pid, end))
        for index, search in enumerate(searches):
            if search.pipes.isdisjoint(written):
                continue
            reason = why_left_alone(process, search.began, around, read_process)
            if reason:
                found.setdefault(index, []).append(Bystander(process, reason))
            elif _is_still(process):
                reason = _kill(process.pid, pidfd)
                if not reason:
                    return
                found.setdefault(index, []).append(Bystander(process, reason))
    finally:
        if pidfd >= 0:
            os.close(pidfd)


def _is_still(process: Process) -> bool:
    """Whether the number is still of the process that was looked at."""
    now = read_process(process.pid)
    return now is not None and now.began == process.began


def _kill(pid: int, pidfd: int) -> str:
    """Kill a process; why it can't be, empty if it is or has ended."""
    try:
        if pidfd < 0:
            os.kill(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except PermissionError as error:  # it has become another user's
        return f"it can't be killed: {error.strerror}"
    except ProcessLookupError:
        pass
    return ""


def _process_ids() -> Iterator[int]:
    with contextlib.suppress(OSError), os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def _written_pipes(pid: int, end: float) -> Iterator[str]:
    """The pipes that a process has open for writing."""
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for number, entry in enumerate(entries):
            if number >= MAX_DESCRIPTORS or time.monotonic() > end:
                return
            with contextlib.suppress(OSError):  # closed meanwhile
                target = os.readlink(entry.path)
                if target.startswith("pipe:") and os.lstat(entry.path).st_mode & stat.S_IWUSR:
                    yield target


@cache
def find_reaper() -> int:
    """Who becomes the parent of the orphans that a command of this host leaves; 0 if unknown."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _ORPHAN],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ORPHAN_SECONDS,
            check=True,
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
