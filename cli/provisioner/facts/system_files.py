"""The files in which the kernel and the system describe this host; reading them needs no privileges
and runs no program."""

from __future__ import annotations

import os

from packager.base.bounded_read import read_up_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Found = TypeVar("Found")

MAX_FILE_BYTES = 1 << 20


class SystemFiles:
    """The files of the host below the directory `top`, each read once."""

    def __init__(self, top: str = "") -> None:
        self.top = top
        self._texts: dict[str, str] = {}

    def text(self, path: str, limit: int = MAX_FILE_BYTES) -> str:
        """The content of a file, no more than `limit` bytes of it, without space around it."""
        if path not in self._texts:
            fd = os.open(self.top + path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                content = read_up_to(fd, limit)[:limit]
            finally:
                os.close(fd)
            self._texts[path] = content.decode(errors="replace").strip().replace("\0", "")
        return self._texts[path]

    def number(self, path: str) -> int:
        """The integer that is the content of a file."""
        return int(self.text(path))

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(os.listdir(self.top + path))  # noqa: PTH208

    def has(self, path: str) -> bool:
        """Whether something is at the path, if only a link."""
        return os.path.lexists(self.top + path)


def value_or_none(find: Callable[[str], Found], path: str) -> Found | None:
    """What `find` makes of the path; None if it can't be known."""
    try:
        return find(path)
    except (OSError, ValueError):
        return None
