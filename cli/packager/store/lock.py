"""ROOT/lock: one writer publishes at a time. ROOT/activation.lock: one activation at a time, the
host's side included; it is taken before the other. Readers never take them.

ROOT/lock is held for renames, never while an archive is read or unpacked, so the wait is short
unless something is stuck; then the wait ends with exit status 75. The kernel drops the lock of a
killed process by itself.

Whoever can open a file can hold a lock on it for ever, so only the owner can open these. Others see
in /proc/locks whether one is held.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from packager.base.debug_log import debug
from packager.base.errors import Temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "lock"
ACTIVATION = "activation.lock"
MODE = 0o600
LOCKS = "/proc/locks"
DEFAULT_WAIT = 30.0  # seconds
FIRST_PAUSE_SECONDS = 0.001  # doubles up to the longest
MAX_PAUSE_SECONDS = 0.05


@contextmanager
def exclusive(root_fd: int, root: str, wait: float, name: str = NAME) -> Iterator[None]:
    """Hold ROOT/`name` inside the block.

    Waits at most `wait` seconds; raises Temporary after that, OSError if it can't be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    fd = os.open(name, flags, MODE, dir_fd=root_fd)
    try:
        status = os.fstat(fd)
        if status.st_mode & 0o7777 != MODE and status.st_uid == os.geteuid():
            os.fchmod(fd, MODE)  # an older version made it for everybody to read
        _acquire(fd, f"{root}/{name}", wait)
        yield
    finally:
        os.close(fd)


def _acquire(fd: int, path: str, wait: float) -> None:
    import fcntl
    import time

    deadline = time.monotonic() + wait
    begun = time.monotonic()
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Temporary(_busy(fd, path, wait)) from None
            time.sleep(min(pause, left))
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
        else:
            debug(lambda: f"locked {path} after {time.monotonic() - begun:.3f} s")
            return


def _busy(fd: int, path: str, wait: float) -> str:
    """What is said when the wait is over."""
    holders = _holders(os.fstat(fd))
    who = f" (process {', '.join(map(str, holders))})" if holders else ""
    return (
        f"{path}: another command{who} has held this lock for {wait:g} s; try again, or look for "
        "a hanging packager"
    )


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock at `path` now; nobody waits for this look. Raises OSError."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:  # it is another user's: the kernel tells who holds it
        return bool(_holders(os.stat(path)))  # noqa: PTH116
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _holders(status: os.stat_result) -> list[int]:
    """The processes that hold a flock(2) on this file, as far as proc_locks(5) tells: those of
    other PID namespaces are not in it."""
    device, inode = status.st_dev, status.st_ino
    name = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    found = []
    with suppress(FileNotFoundError, PermissionError), open(LOCKS) as file:  # noqa: PTH123
        for line in file:
            # "1: FLOCK  ADVISORY  WRITE 708 fd:00:1579052 0 EOF"; who waits has a "->" before FLOCK
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == name:
                found.append(int(fields[4]))
    return found
