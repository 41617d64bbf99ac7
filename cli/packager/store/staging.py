"""ROOT/staging: one private directory a writer, and what becomes of a killed writer's.

A writer holds a flock on its directory for as long as it lives. Whoever gets that lock without
waiting knows the writer is dead, and may sweep its directory. Directories are made, and judged
dead, only under ROOT/lock, so nobody sees one between its mkdir and its flock.

ROOT/reserve is an empty directory for the day when the disk is too full to make one: it becomes the
writer's then, so that what makes room (`gc`, `remove`, clearing away) needs none.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

from packager.base.durable_files import ENTER, opened, remove_tree, set_mode
from packager.base.mounts import refuse_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


RESERVE = "../reserve"  # seen from ROOT/staging


class Staging:
    """One writer's directory; leaving the `with` block removes it with all it holds."""

    __slots__ = ("_parent", "_was_reserve", "fd", "name", "rescue", "undeleted")

    def __init__(self, parent: int, name: str, fd: int, *, was_reserve: bool = False) -> None:
        self._parent = parent  # descriptor of ROOT/staging, owned by this object
        self.name = name
        self.fd = fd
        self._was_reserve = was_reserve
        self.rescue: Callable[[int], None] | None = None  # saves what is not to be deleted
        self.undeleted: OSError | None = None  # why it is still there; `filename`: below staging/

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What was to be done is done, or has failed with an error of its own. If cleaning up
        # fails too, that says nothing about it: whoever used this says so, and a later writer
        # tries again.
        try:
            try:
                self._rescue()
                remove_tree(self.name, self._parent)
            except OSError as failure:
                self.undeleted = failure
            if self._was_reserve:
                _keep_reserve(self._parent)
        finally:
            self.release()  # last: until then nobody else sweeps what is being removed here

    def _rescue(self) -> None:
        if self.rescue is None:
            return
        try:
            self.rescue(self.fd)
        except OSError as failure:
            failure.filename = f"{self.name}/{failure.filename or ''}"
            raise

    def release(self) -> None:
        """Leave the directory as it is, and to others."""
        os.close(self.fd)
        os.close(self._parent)


def open_staging(root_fd: int) -> Staging:
    """A fresh directory for this writer. The caller holds ROOT/lock. Raises OSError."""
    parent = os.open("staging", ENTER, dir_fd=root_fd)
    try:
        name = f"{os.getpid()}-{os.urandom(8).hex()}"
        was_reserve = _make(name, parent)
        return Staging(parent, name, _locked(name, parent), was_reserve=was_reserve)
    except BaseException:
        os.close(parent)
        raise


def _make(name: str, parent: int) -> bool:
    """Make the directory `name`; whether it was made of the reserve, there being no room for
    another one. Raises OSError."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        try:
            os.rename(RESERVE, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:  # there is none, or it came with an image and can't be renamed
            raise error from None
        return True
    with opened(name, parent) as made:
        set_mode(made, 0o700)  # and no access list that packages would inherit
    _keep_reserve(parent)
    return False


def _keep_reserve(parent: int) -> None:
    """Make the reserve if it is not there. Nothing is lost without it, so it is no failure if it
    can't be made, and it is not synced."""
    with suppress(OSError):
        os.mkdir(RESERVE, 0o700, dir_fd=parent)


def take_dead(root_fd: int) -> list[Staging]:
    """The directories whose writers are gone, locked by the caller now, who holds ROOT/lock.

    Leaving their `with` blocks removes them; that needs no ROOT/lock. Raises ConfigError if
    something is mounted in one, OSError; nothing has changed then.
    """
    dead: list[Staging] = []
    parent = os.open("staging", ENTER, dir_fd=root_fd)
    try:
        with os.scandir(parent) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        strays = [name for name, is_directory in found if not is_directory]  # no writer makes these
        for name, is_directory in found:
            if not is_directory:
                continue
            try:
                fd = _locked(name, parent)
            except (BlockingIOError, FileNotFoundError):
                continue  # alive, or just leaving
            dead.append(Staging(os.dup(parent), name, fd))
        refuse_mounts(root_fd, [f"staging/{name}" for name in (*strays, *(d.name for d in dead))])
        for name in strays:
            os.unlink(name, dir_fd=parent)
    except BaseException:
        for each in dead:
            each.release()
        raise
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
