"""ROOT/staging: one private directory a writer, and what becomes of a killed writer's.

A writer holds a flock on its directory for as long as it lives. Whoever gets that lock without
waiting knows the writer is dead, and may sweep its directory. Directories are made, and judged
dead, only under ROOT/lock, so nobody sees one between its mkdir and its flock.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from packager.durable import ENTER, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Staging:
    """One writer's directory; leaving the `with` block removes it with all it holds."""

    __slots__ = ("_parent", "fd", "name")

    def __init__(self, parent: int, name: str, fd: int) -> None:
        self._parent = parent  # descriptor of ROOT/staging, owned by this object
        self.name = name
        self.fd = fd

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What was to be done is done, or has failed with an error of its own. If cleaning up
        # fails too, that says nothing about it, and a later writer tries again.
        try:
            with suppress(OSError):
                remove_tree(self.name, self._parent)
        finally:
            os.close(self.fd)  # last: until then nobody else sweeps what is being removed here
            os.close(self._parent)


def open_staging(root_fd: int) -> Staging:
    """A fresh directory for this writer. The caller holds ROOT/lock. Raises OSError."""
    parent = os.open("staging", ENTER, dir_fd=root_fd)
    try:
        name = f"{os.getpid()}-{os.urandom(8).hex()}"
        os.mkdir(name, 0o700, dir_fd=parent)
        return Staging(parent, name, _locked(name, parent))
    except BaseException:
        os.close(parent)
        raise


def take_dead(root_fd: int) -> list[Staging]:
    """The directories whose writers are gone, locked by the caller now, who holds ROOT/lock.

    Leaving their `with` blocks removes them; that needs no ROOT/lock. Raises OSError.
    """
    dead: list[Staging] = []
    parent = os.open("staging", ENTER, dir_fd=root_fd)
    try:
        with os.scandir(parent) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if not is_directory:  # no writer makes these
                os.unlink(name, dir_fd=parent)
                continue
            try:
                fd = _locked(name, parent)
            except (BlockingIOError, FileNotFoundError):
                continue  # alive, or just leaving
            dead.append(Staging(os.dup(parent), name, fd))
    finally:
        os.close(parent)
    return dead


def _locked(name: str, parent: int) -> int:
    fd = os.open(name, ENTER, dir_fd=parent)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd
