"""Waiting for a child with a time limit, on kernels with pidfds and on those without.

pidfd_open(2) came with Linux 5.3; filters of system calls (seccomp) of older container engines
refuse it, and a process may have no descriptor left for one. Then the child is looked at again and
again: seldom enough to cost nothing, often enough that nobody waits for it.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress

POLL_SECONDS = 0.02  # between two looks at a child that no descriptor tells of


def open_exit_descriptor(pid: int) -> int | None:
    """A descriptor that becomes readable when the child `pid`, which was not waited for yet,
    exits; None: there is none to be had, so `has_exited` is to be asked."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # a Python that was built for an older system has no such
        return None


def has_exited(pid: int) -> bool:
    """Whether the child has exited; it is still there to be waited for. Raises ChildProcessError
    for one that was waited for already."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def exits_within(pid: int, seconds: float) -> bool:
    """Whether the child exits within so many seconds. Raises ChildProcessError."""
    descriptor = open_exit_descriptor(pid)
    if descriptor is None:
        deadline = time.monotonic() + seconds
        while not has_exited(pid):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, POLL_SECONDS))
        return True
    try:
        poll = select.poll()  # not select(2), which knows no descriptor beyond 1023
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))
    finally:
        with suppress(OSError):
            os.close(descriptor)
