"""Messages on their way to other actors: one connection for each address that is written to.

It is opened with the first message, kept, and opened again with the next one after it broke. What
can't be delivered is dropped, as libprocess drops it: whoever wants an answer asks again. The
answers, 202 for every message, are read and thrown away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agentsim.mesos.actor_message import Pid, frame

#: Bytes that wait for a connection that is being opened or does not take them; more are dropped.
_MAX_WAITING_BYTES: Final = 4 << 20


class Mailer:
    """Sends messages.

    Args:
        loop: the event loop.
        lost: told of each address whose connection broke or could not be made.
        local_address: of which its connections come; None: as the system chooses.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[[str], None],
        local_address: str | None = None,
    ) -> None:
        self._loop = loop
        self._lost = lost
        self._local = (local_address, 0) if local_address is not None else None
        self._lines: dict[str, _Line] = {}
        self._closed = False

    def send(self, sender: Pid, receiver: Pid, name: str, body: bytes) -> None:
        """Send a message; whether it arrives is not told."""
        if self._closed:
            return
        line = self._lines.get(receiver.authority)
        if line is None:
            line = self._lines[receiver.authority] = _Line(self, receiver.authority)
            line.opening = self._loop.create_task(self._open(line, receiver))
        line.write(frame(sender, receiver, name, body))

    def link(self, receiver: Pid) -> None:
        """Open the connection to an address if there is none, so that its end is noticed."""
        if receiver.authority not in self._lines and not self._closed:
            line = self._lines[receiver.authority] = _Line(self, receiver.authority)
            line.opening = self._loop.create_task(self._open(line, receiver))

    def drop(self, authority: str) -> None:
        """Break the connection to an address without a word; `lost` is not told."""
        line = self._lines.pop(authority, None)
        if line is not None:
            line.abort()

    def close(self) -> None:
        """Break all connections; nothing is sent any more."""
        self._closed = True
        for authority in tuple(self._lines):
            self.drop(authority)

    async def drain(self, seconds: float) -> None:
        """Wait until what was sent has gone out, for some time at the most."""
        end = self._loop.time() + seconds
        while any(line.waiting for line in self._lines.values()) and self._loop.time() < end:
            await asyncio.sleep(0.01)

    async def _open(self, line: _Line, receiver: Pid) -> None:
        try:
            await self._loop.create_connection(
                lambda: line, receiver.ip, receiver.port, local_addr=self._local
            )
        except OSError:
            self.broken(line)

    def broken(self, line: _Line) -> None:
        """A connection is no more."""
        if self._lines.get(line.authority) is line:
            del self._lines[line.authority]
            self._lost(line.authority)


class _Line(asyncio.Protocol):
    """The connection to one address."""

    __slots__ = ("_buffer", "_mailer", "_transport", "authority", "opening")

    def __init__(self, mailer: Mailer, authority: str) -> None:
        self._mailer = mailer
        self.authority = authority
        self.opening: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes that have not gone out."""
        transport = self._transport
        return len(self._buffer) + (transport.get_write_buffer_size() if transport else 0)

    def write(self, data: bytes) -> None:
        if self.waiting > _MAX_WAITING_BYTES:
            return
        if self._transport is not None:
            self._transport.write(data)
        else:
            self._buffer += data

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.opening = None
        if self._buffer:
            transport.write(bytes(self._buffer))
            self._buffer.clear()

    def connection_lost(self, exception: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._mailer.broken(self)
