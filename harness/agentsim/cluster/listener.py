"""One socket for all agents of a cluster, each of which has an address of its own.

It listens on every address of the loopback device, at one port, and a connection belongs to the
agent at the address that the client has called. Nobody outside this machine reaches it: it is bound
to that device where the kernel lets it be, and what was called at another address is closed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Final

from agentsim.simulator.message_connection import MessageConnection, MessageServer
from agentsim.simulator.serve import CannotServe

_BACKLOG: Final = 4096
_LOOPBACK_DEVICE: Final = b"lo"


def listen(port: int, address: str = "0.0.0.0") -> socket.socket:  # noqa: S104 - see above
    """A socket that listens at a port of every loopback address; port 0 takes a free one.

    Args:
        address: the one address to listen at, if not at all.

    Raises:
        CannotServe: it can't be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # only root may before Linux 5.7
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LOOPBACK_DEVICE)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        remedy = "another program listens at it on some address: try --port 0"
        why = remedy if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise CannotServe(f"can't listen at port {port}: {why}") from None
    listener.setblocking(False)
    return listener


class Nothing(Enum):
    """What is done with a connection to a machine that hangs: it is taken, and then nothing."""

    DONE = "done"


Find = Callable[[str, int], MessageServer | Nothing | None]


class Doorways:
    """Makes a protocol for each connection that is accepted.

    Args:
        find: whose an address and a port are; None: nobody's, and the connection is closed.

    Attributes:
        open: how many connections are.
    """

    def __init__(self, find: Find) -> None:
        self.find = find
        self.open = 0

    def __call__(self) -> asyncio.Protocol:
        return _Doorway(self)


class _Doorway(asyncio.Protocol):
    """A connection whose agent is not known yet."""

    def __init__(self, doorways: Doorways) -> None:
        self._doorways = doorways

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        server = self._doorways.find(*transport.get_extra_info("sockname")[:2])
        if server is None:
            transport.abort()
            return
        if server is Nothing.DONE:
            transport.pause_reading()
            return
        connection = _CountedConnection(server, self._doorways)
        transport.set_protocol(connection)
        connection.connection_made(transport)


class _CountedConnection(MessageConnection):
    def __init__(self, server: MessageServer, doorways: Doorways) -> None:
        super().__init__(server)
        self._doorways = doorways
        doorways.open += 1

    def connection_lost(self, exception: Exception | None) -> None:
        self._doorways.open -= 1
        super().connection_lost(exception)
