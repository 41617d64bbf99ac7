"""ROOT/lock: one writer publishes at a time. ROOT/activation.lock: one activation at a time, the
host's side included; it is taken before the other. Readers never take them.

ROOT/lock is held for renames, never while an archive is read or unpacked, so the wait is short
unless something is stuck; then the wait ends with exit status 75. The kernel drops the lock of a
killed process by itself.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from packager.base.debug_log import debug
from packager.base.errors import Temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "lock"
ACTIVATION = "activation.lock"
DEFAULT_WAIT = 30.0  # seconds
FIRST_PAUSE_SECONDS = 0.001  # doubles up to the longest
MAX_PAUSE_SECONDS = 0.05


@contextmanager
def exclusive(root_fd: int, root: str, wait: float, name: str = NAME) -> Iterator[None]:
    """Hold ROOT/`name` inside the block.

    Waits at most `wait` seconds; raises Temporary after that, OSError if it can't be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    fd = os.open(name, flags, 0o644, dir_fd=root_fd)
    try:
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
                raise Temporary(
                    f"{path}: another command has held this lock for {wait:g} s; try again, "
                    "or look for a hanging packager"
                ) from None
            time.sleep(min(pause, left))
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
        else:
            debug(lambda: f"locked {path} after {time.monotonic() - begun:.3f} s")
            return


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock at `path` now; nobody waits for this look. Raises OSError."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
