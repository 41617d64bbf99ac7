"""Processes that left their invocation's process group but still hold its pipes.

A command's descendant can take a session of its own, and then no signal to the group reaches it. It
is known by what it holds: an end of a pipe that was made for this command alone, for writing. Its
environment would tell less: it may have made itself a new one, and a request id may be used again.

Source: proc(5), `/proc/PID/fd`: the mode of a link tells how the descriptor was opened;
pidfd_send_signal(2).
"""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Iterable


def kill_holders(pipes: Iterable[int]) -> int:
    """Kill every other process that could still write into one of these pipes.

    Args:
        pipes: descriptors of their read ends.

    Returns:
        How many processes were killed.
    """
    ends = {f"pipe:[{os.fstat(pipe).st_ino}]" for pipe in pipes}
    killed = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            killed += _kill_if_holder(int(name), ends)
    return killed


def _kill_if_holder(pid: int, ends: set[str]) -> int:
    try:
        # Opened before the look, so that the signal can't go to a later owner of the number.
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        if error.errno == errno.ESRCH:
            return 0
        descriptor = -1  # too old a kernel, a filter
    try:
        if not _holds(f"/proc/{pid}/fd", ends):
            return 0
        if descriptor < 0:
            os.kill(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return 0
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return 1


def _holds(directory: str, ends: set[str]) -> bool:
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        try:
            if os.readlink(path) in ends and os.lstat(path).st_mode & stat.S_IWUSR:
                return True
        except FileNotFoundError:
            continue  # closed meanwhile
    return False
