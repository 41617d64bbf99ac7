"""Connections that wait for their clients: who makes room when descriptors run short.

However many clients connect and say nothing, or read nothing, new ones get in: the connection that
has been idle longest is closed first. It is closed while some descriptors are left, which is what
the commands and their files need.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Final, Protocol

#: Seconds for which a connection is idle at least before it makes room for another.
MIN_IDLE_SECONDS: Final = 1.0
#: Descriptors that are kept free of idle connections, or a quarter of all where there are few.
RESERVED_DESCRIPTORS = 64


class Closable(Protocol):
    """A connection.

    Attributes:
        answers_wait: whether there are answers that the client has not taken.
    """

    @property
    def answers_wait(self) -> bool: ...

    def close(self) -> None:
        """Close now."""


class IdleConnections:
    """The connections of which nothing is being worked on, the one that is so longest first.

    Args:
        say: takes a sentence for the log that may come very often.
        descriptors: how many descriptors are open now, but for those of files.
    """

    def __init__(self, say: Callable[[str], None], descriptors: Callable[[], int]) -> None:
        self._say = say
        self._descriptors = descriptors
        self._connections: dict[Closable, float] = {}  # since when, by the monotonic clock

    def add(self, connection: Closable) -> None:
        """A client has connected; another one makes room for it if need be."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if self._descriptors() > limit - min(RESERVED_DESCRIPTORS, limit // 4):
            self.make_room()
        self._connections[connection] = time.monotonic()

    def touch(self, connection: Closable) -> None:
        """A connection has become idle, or its client has sent something."""
        self._connections.pop(connection, None)
        self._connections[connection] = time.monotonic()

    def remove(self, connection: Closable) -> None:
        """A connection is at work, or closed."""
        self._connections.pop(connection, None)

    def make_room(self) -> None:
        """Close the connection that has been idle longest; those that have a request unanswered or
        an answer on its way only if there are no others."""
        # Of one that has just come the request may be on its way.
        latest = time.monotonic() - MIN_IDLE_SECONDS
        idle = [each for each, since in self._connections.items() if since <= latest]
        quiet = (each for each in idle if not each.answers_wait)
        longest = next(quiet, None) or next(iter(idle), None)
        if longest is not None:
            self._say("few descriptors are left: connections that were idle longest are closed")
            del self._connections[longest]
            longest.close()
