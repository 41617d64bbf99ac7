"""Starting a command: its descriptors, signals, session and limits, and why it could not start.

`posix_spawn` is used for every command: it does not copy the host's page tables, reports a program
that cannot be executed as an error, and sets session, signal mask and dispositions.  It can't set
limits, umask, niceness or a working directory; routes that ask for one of these start through
`launcher.py`, which sets them and then becomes the command.

No fork of this process ever has an end of a pipe that a command writes into: such a fork would keep
the pipe open after the command's end. Those ends exist under a lock that every `os.fork` takes.

Source: posix_spawn(3), execve(2), pidfd_open(2).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
#: What this process ignores (Python ignores SIGPIPE and SIGXFSZ), a child would go on ignoring.
_IGNORED = [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]

#: Held while this process has an end of a pipe that a command writes into. Reentrant, so that what
#: forks in the middle of a start, such as a finaliser, does not wait for itself.
_WRITE_ENDS = threading.RLock()
os.register_at_fork(
    before=_WRITE_ENDS.acquire,
    after_in_parent=_WRITE_ENDS.release,
    after_in_child=_WRITE_ENDS.release,
)

#: The process ids of the commands that were started and not reaped yet.
RUNNING: set[int] = set()


class StartFailed(Exception):
    """The program can't be started; the text says which and why."""


class Exhausted(StartFailed):
    """Descriptors, processes or memory ran out; the same start may succeed later."""


_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


class Child(NamedTuple):
    """A running command.

    Attributes:
        pid: process id, process group and session of the command.
        pidfd: becomes readable when the command exits; -1 where the kernel has none.
        stdout, stderr: read ends, non-blocking.
        failure: read end of the launcher's report, or -1; empty if the command was started.
    """

    pid: int
    pidfd: int
    stdout: int
    stderr: int
    failure: int


def find(program: str, path: str) -> str:
    """The file that a command's first word names.

    Args:
        program: an absolute path, or a bare name to be looked up in `path`.
        path: the child's PATH.

    Raises:
        StartFailed: there is no such file, or it may not be executed.
    """
    if program.startswith("/"):
        return program
    denied = False
    for directory in path.split(":"):
        candidate = f"{directory}/{program}"
        if directory.startswith("/") and os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            denied = True
    reason = "may not be executed" if denied else "is not"
    raise StartFailed(f"The program {program!r} {reason} in PATH ({path})")


def spawn(
    program: str,
    arguments: list[str | bytes],
    environment: Mapping[str, str],
    stdin: int,
    limits: Mapping[str, int],
    directory: str,
) -> Child:
    """Start a command in a session of its own, with default signals and three descriptors.

    Args:
        program: absolute path of the file to execute.
        arguments: the whole argv, argv[0] included.
        environment: all of the child's environment.
        stdin: descriptor that becomes the child's standard input; stays open here.
        limits: the route's limits (rlimits, umask, nice); empty for none.
        directory: working directory of the child.

    Raises:
        StartFailed: the program can't be executed.
        Exhausted: the host is out of descriptors, processes or memory.
    """
    with _WRITE_ENDS:
        child = _spawn(program, arguments, environment, stdin, limits, directory)
    RUNNING.add(child.pid)
    return child


def _spawn(
    program: str,
    arguments: list[str | bytes],
    environment: Mapping[str, str],
    stdin: int,
    limits: Mapping[str, int],
    directory: str,
) -> Child:
    opened: list[int] = []
    try:
        stdout, stdout_end = os.pipe2(os.O_CLOEXEC)
        opened += (stdout, stdout_end)
        stderr, stderr_end = os.pipe2(os.O_CLOEXEC)
        opened += (stderr, stderr_end)
        actions = [
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout_end, 1),
            (os.POSIX_SPAWN_DUP2, stderr_end, 2),
        ]
        failure = -1
        if limits or directory != "/":
            failure, failure_end = os.pipe2(os.O_CLOEXEC)
            opened += (failure, failure_end)
            actions.append((os.POSIX_SPAWN_DUP2, failure_end, 3))
            program, arguments = _through_launcher(
                program, arguments, environment, limits, directory
            )
        pid = os.posix_spawn(
            program,
            arguments,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_IGNORED,
        )
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise _failure(program, error) from None
    os.close(stdout_end)
    os.close(stderr_end)
    if failure >= 0:
        os.close(failure_end)
    os.set_blocking(stdout, False)
    os.set_blocking(stderr, False)
    if failure >= 0:
        os.set_blocking(failure, False)
    try:
        pidfd = os.pidfd_open(pid) if HAVE_PIDFD else -1
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for descriptor in (stdout, stderr, failure):
            if descriptor >= 0:
                os.close(descriptor)
        raise _failure(program, error) from None
    return Child(pid, pidfd, stdout, stderr, failure)


def _pidfd_works() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


#: Whether the kernel has pidfds (Linux 5.3); without them SIGCHLD tells of exits.
HAVE_PIDFD = _pidfd_works()


def _through_launcher(
    program: str,
    arguments: list[str | bytes],
    environment: Mapping[str, str],
    limits: Mapping[str, int],
    directory: str,
) -> tuple[str, list[str | bytes]]:
    plan = {
        "program": program,
        "directory": directory,
        "limits": dict(limits),
        "environment": dict(environment),
    }
    return sys.executable, [sys.executable, "-I", "-S", _LAUNCHER, json.dumps(plan), *arguments]


def _failure(program: str, error: OSError) -> StartFailed:
    text = os.strerror(error.errno or 0)
    if error.errno in _EXHAUSTED:
        return Exhausted(f"The host can't start another process now: {text}")
    return StartFailed(f"{program} can't be started: {_reason(program, error, text)}")


def _reason(program: str, error: OSError, text: str) -> str:
    if error.errno == errno.ENOENT and os.path.exists(program):
        return "the interpreter that its first line names does not exist"
    if error.errno == errno.ENOEXEC:
        return "it is neither a program nor a script with a #! line"
    if error.errno == errno.EACCES and os.path.isdir(program):
        return "it is a directory"
    return text


def reap(child: Child) -> int:
    """Take the exit status of a command that has exited.

    Returns:
        The exit code (0 or more), or the negative number of the signal that ended it.
    """
    RUNNING.discard(child.pid)
    if child.pidfd >= 0:
        info = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
    else:
        info = os.waitid(os.P_PID, child.pid, os.WEXITED)
    assert info is not None
    return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status


def has_exited(child: Child) -> bool:
    """Whether a command has exited; its process id stays taken until `reap`."""
    kind, number = (os.P_PIDFD, child.pidfd) if child.pidfd >= 0 else (os.P_PID, child.pid)
    return os.waitid(kind, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def why_alive(pid: int, seconds: float) -> str:
    """Why a command, not reaped yet, still runs so long after SIGKILL was sent to its group."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return f"EPERM, {os.strerror(errno.EPERM)}: it has become another user's"
    return f"it still runs {seconds:g} s after SIGKILL"


def signal_group(pid: int, number: int) -> None:
    """Send a signal to all of a command's process group.

    Only while the command itself is not reaped: until then no other process can have its number.
    """
    # Nothing may be left of it, or what is left may have become another user's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
