"""What rollouts are recorded in: small documents with versions, and locks. There are two.

Every method may block; one thread uses a store at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from packager.base.errors import Conflict, Temporary, Unavailable

MISSING = -1  # the version of what is not there


@dataclass(frozen=True)
class Entry:
    """A document as it was read. version: changes with each write of it."""

    content: bytes
    version: int


@dataclass(frozen=True)
class Write:
    """A document is to have this content, if its version is that one still. path: names between
    slashes, of any characters but slashes; version: MISSING to make it."""

    path: tuple[str, ...]
    content: bytes
    version: int


class Changed(Conflict):
    """Somebody else has written to it since it was read; nothing was written."""


class Unsure(Unavailable):
    """The store can't be reached; whether the last write was done is to be found out by reading."""


class Held(Temporary):
    """The lock is held. `holder` is what its holder says of itself."""

    def __init__(self, message: str, holder: bytes) -> None:
        super().__init__(message)
        self.holder = holder


class Suspended(Temporary):
    """Whether the lock is held still can't be said at the moment: nothing new may be begun."""


class Lost(Conflict):
    """The lock is not held any more, and may be another's; this does not change again."""


class Lock(Protocol):
    """A lock that is held. It is given back by the end of the process, too, however that comes."""

    def confirm(self) -> None:
        """Ask whether it is held still. Raises Suspended, Lost."""

    def release(self) -> None:
        """Give it back; does nothing if it is lost."""


class Store(Protocol):
    """Where documents and locks are. is_shared: whether other machines can reach it."""

    is_shared: bool

    def read(self, path: tuple[str, ...]) -> Entry | None:
        """The document; None: there is none. Raises Unavailable, PackagerError."""

    def names(self, path: tuple[str, ...]) -> list[str]:
        """The names of the documents and folders right below, sorted. Raises as `read` does."""

    def write(self, writes: Sequence[Write]) -> list[int]:
        """Write all of them durably, or none; give their versions. Raises Changed, Unsure,
        Unavailable, PackagerError."""

    def lock(self, name: str, holder: bytes) -> Lock:
        """Take a lock without waiting. holder: told to those who want it meanwhile. Raises Held,
        Unavailable."""

    def holder(self, name: str) -> bytes | None:
        """What the holder of a lock says of itself; None: nobody holds it. Raises Unavailable,
        PackagerError."""

    def close(self) -> None:
        """Give everything back."""
