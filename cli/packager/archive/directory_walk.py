"""A directory tree as it is on the disk, read without following a link."""

from __future__ import annotations

import hashlib
import os
import stat

from packager.base.durable_files import ENTER
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.manifest import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a fifo put there meanwhile must not block
PIECE_BYTES = 1 << 20  # bytes hashed at once


class Found:
    """One path of the tree. `parent` stays open until the next one is asked for."""

    __slots__ = ("name", "parent", "path", "status")

    def __init__(self, path: str, name: str, parent: int, status: os.stat_result) -> None:
        self.path = path  # from the top; bytes that are not UTF-8 are surrogates
        self.name = name
        self.parent = parent  # descriptor of the directory that has `name`
        self.status = status

    @property
    def kind(self) -> str:
        """file, directory or link; for anything else what it is in words."""
        mode = self.status.st_mode
        if stat.S_ISREG(mode):
            return FILE
        if stat.S_ISDIR(mode):
            return DIRECTORY
        if stat.S_ISLNK(mode):
            return LINK
        for test, words in SPECIAL_KINDS:
            if test(mode):
                return words
        return "something unknown"

    @property
    def mode(self) -> int:
        """The permission bits, setuid and its like included."""
        return stat.S_IMODE(self.status.st_mode)

    def open(self, name: str, flags: int) -> int:
        """Open `name` beside it, as an opener for open(). Raises OSError."""
        return os.open(name, flags | READ, dir_fd=self.parent)

    def entry(self, mode: int) -> Entry:
        """The manifest's entry for it, with `mode`; a file is read and hashed. Raises OSError."""
        if self.kind == LINK:
            return Entry(self.path, LINK, target=os.readlink(self.name, dir_fd=self.parent))
        if self.kind == DIRECTORY:
            return Entry(self.path, DIRECTORY, mode=mode)
        digest = hashlib.sha256()
        size = 0
        fd = self.open(self.name, READ)
        try:
            # One byte more than there should be: a small file is known to be whole by one read.
            room = min(self.status.st_size + 1, PIECE_BYTES)
            while piece := os.read(fd, room):
                digest.update(piece)
                size += len(piece)
                if len(piece) < room and size == self.status.st_size:
                    break
        finally:
            os.close(fd)
        return Entry(self.path, FILE, mode=mode, size=size, sha256=digest.hexdigest())


SPECIAL_KINDS = (
    (stat.S_ISCHR, "character device"),
    (stat.S_ISBLK, "block device"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
)


def walk(
    top: int, prefix: str = "", unreadable: Callable[[str, OSError], None] | None = None
) -> Iterator[Found]:
    """Everything below the directory `top`, parents before what they hold, names sorted.

    What vanishes meanwhile is left out. unreadable: is told the path of what can't be looked at, or
    into, and why; without it that is raised. Raises OSError.
    """
    with os.scandir(top) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        try:
            status = os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            if unreadable is None:
                raise
            unreadable(prefix + name, error)
            continue
        yield Found(prefix + name, name, top, status)
        if stat.S_ISDIR(status.st_mode):
            try:
                fd = os.open(name, ENTER, dir_fd=top)
            except FileNotFoundError:
                continue
            except OSError as error:
                if unreadable is None:
                    raise
                unreadable(prefix + name, error)
                continue
            try:
                yield from walk(fd, f"{prefix}{name}/", unreadable)
            finally:
                os.close(fd)
