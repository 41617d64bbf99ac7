"""One client's connection: requests in, answers out in the order of the requests.

As in libprocess, requests are handled as soon as they are there, however many wait before them, and
a connection of which the client has closed even one direction is gone: whoever still works for it
is told.  An answer that follows a stream waits for the stream's end.

What the client does not take waits in the send buffer of its exchange, and that on the disk if it
is much: nothing is held up by a client, and no client costs much memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from typing import BinaryIO, Protocol

from agentsim.run.send_buffer import SendBuffer
from agentsim.run.spool import Spool
from agentsim.simulator.exchange import Exchange
from agentsim.wire.request_parser import Parser, Request

#: Bytes that may wait in a transport; others wait in send buffers.
_MAX_TRANSPORT_BYTES = 64 * 1024


class Server(Protocol):
    """What a connection needs of the agent that it belongs to.

    Attributes:
        connections: those that are open; each adds and removes itself.
        spool: where answers wait.
    """

    connections: set[Connection]
    spool: Spool

    def exchange(self, connection: Connection, request: Request) -> Exchange:
        """Who answers a request; nothing is answered before `Exchange.begin`."""

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""


class Connection(asyncio.Protocol):
    """The event loop's side of a connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = Parser(self)
        self._transport: asyncio.Transport | None = None
        self._exchanges: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._files: dict[Exchange, tuple[BinaryIO, int]] = {}
        self._sending_file = False
        self._task: asyncio.Task[None] | None = None
        self._paused = False  # the transport has enough
        self._half_closed = False  # by the client; what is answered already is still sent
        self._finishing = False

    @property
    def closed(self) -> bool:
        """Whether nothing that is sent can reach the client any more."""
        return self._transport is None or self._half_closed or self._transport.is_closing()

    @property
    def peer(self) -> str:
        """The client's address and port, for the log."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{name[0]}:{name[1]}" if name else "which is gone"

    @property
    def unsent(self) -> int:
        """Bytes that were sent and that the client's side has not taken yet."""
        if self._transport is None:
            return 0
        waiting = sum(each.pending.size for each in self._exchanges if each.pending is not None)
        return self._transport.get_write_buffer_size() + waiting

    # -- what the event loop tells ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_MAX_TRANSPORT_BYTES)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if not self._parser.feed(data):
            self.close()

    def eof_received(self) -> bool:
        # libprocess gives up what is not answered yet, and sends to its end what is on its way.
        self._half_closed = True
        self._give_up(sum(1 for _ in takewhile(lambda each: each.done, self._exchanges)))
        return bool(self._exchanges)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._advance()

    def connection_lost(self, exception: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()
        self._give_up()

    def _give_up(self, answered: int = 0) -> None:
        """Give up the exchanges but for so many first ones."""
        self._receiving = None
        exchanges = tuple(self._exchanges)
        self._exchanges = deque(exchanges[:answered])
        for exchange in exchanges[answered:]:
            exchange.on_gone()
            if exchange.pending is not None:
                exchange.pending.close()
            self._server.exchange_ended(exchange, gone=True)
        self._files.clear()

    def close(self) -> None:
        """Close now; what is not sent yet is dropped."""
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close once everything that was written has gone out."""
        self._finishing = True
        self._advance()
        if self._transport is not None and not (self._exchanges and self._exchanges[0].pending):
            self._transport.close()

    # -- what the parser tells ----------------------------------------------------------------

    def on_request(self, request: Request) -> None:
        """A head is complete: somebody is found to answer it."""
        exchange = self._server.exchange(self, request)
        self._receiving = exchange
        self._exchanges.append(exchange)
        exchange.begin()

    def on_body(self, data: bytes) -> None:
        """Some of a body."""
        if self._receiving is not None:
            self._receiving.on_body(data)

    def on_end(self) -> None:
        """A body is complete."""
        if self._receiving is not None:
            receiving, self._receiving = self._receiving, None
            receiving.on_end()

    def on_body_failure(self, reason: str) -> None:
        """A body can't be decoded."""
        if self._receiving is not None:
            receiving, self._receiving = self._receiving, None
            if not receiving.done:
                receiving.on_body_failure(reason)

    # -- what exchanges ask for ---------------------------------------------------------------

    def put(self, exchange: Exchange, data: bytes) -> None:
        """Send bytes of an answer, or keep them until it is its turn."""
        if self._transport is None or self._half_closed:
            return
        first = bool(self._exchanges) and self._exchanges[0] is exchange
        if first and not (self._sending_file or self._paused or exchange.pending):
            self._transport.write(data)
            return
        if exchange.pending is None:
            exchange.pending = SendBuffer(self._server.spool)
        exchange.pending.write(data)

    def send_file(self, exchange: Exchange, file: BinaryIO, size: int) -> None:
        """Send a file after what was put before; completes the exchange."""
        if self._transport is None:
            exchange.on_sent()
            return
        self._files[exchange] = (file, size)
        self._advance()

    def completed(self, exchange: Exchange) -> None:
        """An answer is complete; the next ones go out."""
        if self._transport is None:
            exchange.on_sent()
        else:
            self._advance()

    def _advance(self) -> None:
        while self._exchanges and not self._sending_file and self._transport is not None:
            exchange = self._exchanges[0]
            if not self._sent_pending(exchange):
                return
            if self._finishing:
                self._transport.close()
                return
            if exchange in self._files:
                self._sending_file = True
                self._task = asyncio.ensure_future(self._send_file(exchange))
                return
            if not exchange.done:
                return
            self._sent(exchange)
        if self._half_closed and not self._exchanges and self._transport is not None:
            self._transport.close()

    def _sent_pending(self, exchange: Exchange) -> bool:
        """Send what waits, as far as it can be sent now; whether that is all of it."""
        pending = exchange.pending
        assert self._transport is not None
        try:
            while pending and not self._paused:
                self._transport.write(pending.read())
        except OSError:
            self.close()  # without the rest, nothing that follows makes sense
            return False
        return not pending

    def _sent(self, exchange: Exchange) -> None:
        self._exchanges.popleft()
        exchange.on_sent()
        self._server.exchange_ended(exchange, gone=False)
        if not exchange.request.keep_alive and self._transport is not None:
            # What is written goes out first; answers to later requests may still be cut off.
            self._transport.close()

    async def _send_file(self, exchange: Exchange) -> None:
        file, size = self._files.pop(exchange)
        assert self._transport is not None
        try:
            await asyncio.get_running_loop().sendfile(self._transport, file, 0, size)
        except (OSError, RuntimeError):
            self._sending_file = False
            self.close()
            return
        finally:
            self._task = None
        self._sending_file = False
        exchange.bytes_sent += size
        exchange.done = True
        self._advance()
