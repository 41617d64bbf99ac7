"""ROOT/kept: where somebody else's files are that stood in the way of a change.

    ROOT/kept/<of>~<n>/<path>    <of>: a package's id, generation-<number>, or units

Only the owner can look into it, since what is there was maybe private. Nobody deletes anything
there but people.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from packager.base.durable_files import ENTER, make_directory, opened, write_new_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = "kept"


def keep_copy(name: str, content: bytes, of: str, root: str) -> str:
    """Write `content` to a new file called `name` in ROOT/kept, durably; its path. Raises
    OSError."""
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        kept = new_directory(of, root_fd)
        with made_below(kept, root_fd) as directory:
            write_new_file(name, directory, content, mode=0o600, sync=True)
            os.fsync(directory)
    finally:
        os.close(root_fd)
    return f"{root}/{KEPT}/{kept}/{name}"


def new_directory(of: str, root_fd: int) -> str:
    """A directory for what is kept of a tree called `of`; its name. Raises
    OSError."""
    make_directory(KEPT, 0o700, root_fd)
    with opened(KEPT, root_fd) as kept:
        number = 1
        while True:
            name = f"{of}~{number}"
            try:
                os.mkdir(name, 0o700, dir_fd=kept)
            except FileExistsError:
                number += 1
                continue
            os.fsync(kept)
            return name


@contextmanager
def made_below(path: str, root_fd: int) -> Iterator[int]:
    """A descriptor of the directory at `path` below ROOT/kept, made if it is not there. Raises
    OSError."""
    fd = os.open(KEPT, ENTER, dir_fd=root_fd)
    try:
        for name in filter(None, path.split("/")):
            make_directory(name, 0o700, fd)
            inner = os.open(name, ENTER, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def remove_empty(path: str, root_fd: int) -> None:
    """Take the directory at `path` below ROOT/kept away, and those above it, as far as they are
    empty."""
    place = f"{KEPT}/{path}".rstrip("/")
    while place != KEPT:
        try:
            os.rmdir(place, dir_fd=root_fd)
        except OSError:
            return
        place = place.rpartition("/")[0]
