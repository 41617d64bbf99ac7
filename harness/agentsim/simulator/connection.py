"""One client's connection: requests in, answers out in the order of the requests.

As in libprocess, requests are handled as soon as they are there, however many wait before them, and
a connection of which the client has closed even one direction is gone: whoever still works for it
is told.  An answer that follows a stream waits for the stream's end.

What the client does not take waits in the send buffer of its exchange, and that on the disk if it
is much: nothing is held up by a client, and no client costs much memory.

Connections take turns: of the requests that a client has sent ahead one is read in each turn of the
event loop, and none as long as many of them are not answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from typing import BinaryIO, Protocol

from agentsim.run.send_buffer import SendBuffer
from agentsim.run.spool import Spool
from agentsim.simulator.exchange import Exchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.wire.request_parser import Parser, Request

#: Bytes that may wait in a transport; others wait in send buffers.
_MAX_TRANSPORT_BYTES = 64 * 1024
#: Requests of a connection that are read and not answered; those behind them wait unread.
MAX_UNANSWERED = 100
#: Bytes of requests that wait unread; beyond it nothing is taken from the client.
_MAX_UNREAD_BYTES = 64 * 1024


class Server(Protocol):
    """What a connection needs of the agent that it belongs to.

    Attributes:
        loop: the event loop.
        connections: those that are open; each adds and removes itself.
        idle: of them those that wait for their clients, longest first.
        spool: where answers wait.
        head_seconds: how long a client may take to send a head.
    """

    loop: asyncio.AbstractEventLoop
    connections: set[Connection]
    idle: IdleConnections
    spool: Spool
    head_seconds: float

    def exchange(self, connection: Connection, request: Request) -> Exchange:
        """Who answers a request; nothing is answered before `Exchange.begin`."""

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""


class Connection(asyncio.Protocol):
    """The event loop's side of a connection.

    Attributes:
        turn: how many of the requests that were sent ahead are read in one turn of the loop.
    """

    turn = 1

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
        self._working: set[Exchange] = set()  # requests that are complete and not answered
        self._turn: asyncio.Handle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading = True  # from the transport
        self._ended = False  # by the client, behind what is not read yet

    @property
    def answers_wait(self) -> bool:
        """Whether there are answers that the client has not taken."""
        return bool(self._exchanges) and self._exchanges[0] is not self._receiving

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

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way: no request has begun, no answer waits."""
        return not (
            self.closed
            or self._ended
            or self._paused
            or self._finishing
            or self._exchanges
            or self._parser.unread
            or self._parser.within_head
        )

    def send_at_rest(self, data: bytes) -> None:
        """Send an answer to what was read by another than the parser."""
        if self._transport is not None:
            self._server.idle.touch(self)
            self._transport.write(data)

    # -- what the event loop tells ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_MAX_TRANSPORT_BYTES)
        self._server.connections.add(self)
        self._server.idle.add(self)

    def data_received(self, data: bytes) -> None:
        if not self._working:
            self._server.idle.touch(self)
        if self._parser.unread:
            self._parser.keep(data)  # its turn comes
            self._read_if_wanted()
        else:
            self._go_on(self._parser.feed(data))

    def _go_on(self, is_open: bool) -> None:
        """After the parser has read something: see what is next."""
        if not is_open:
            self.close()
            return
        if self._parser.unread:
            self._read_if_wanted()
            if self._turn is None and len(self._exchanges) < MAX_UNANSWERED:
                self._turn = self._server.loop.call_soon(self._take_turn)
        elif not self._reading:
            self._read_if_wanted()
        if self._ended and not self._turn:
            self._half_close()
        if self._head_timer is None:
            if self._parser.within_head:
                seconds = self._server.head_seconds
                self._head_timer = self._server.loop.call_later(seconds, self.close)
        elif not self._parser.within_head:
            self._forget_head_timer()

    def _take_turn(self) -> None:
        self._turn = None
        if self.closed:
            return
        is_open = self._parser.advance()
        for _ in range(1, self.turn):
            full = len(self._exchanges) >= MAX_UNANSWERED
            if not is_open or full or not self._parser.unread or self.closed:
                break
            is_open = self._parser.advance()
        self._go_on(is_open)

    def _read_if_wanted(self) -> None:
        wanted = self._parser.unread < _MAX_UNREAD_BYTES
        if wanted != self._reading and self._transport is not None:
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def eof_received(self) -> bool:
        self._ended = True
        if self._turn is None:  # else what was sent before is read before
            self._half_close()
        return bool(self._exchanges) or self._turn is not None

    def _half_close(self) -> None:
        # libprocess gives up what is not answered yet, and sends to its end what is on its way.
        self._half_closed = True
        self._forget_head_timer()
        self._give_up(sum(1 for _ in takewhile(lambda each: each.done, self._exchanges)))
        if not self._exchanges and self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._advance()

    def connection_lost(self, exception: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._server.connections.discard(self)
        self._server.idle.remove(self)
        self._forget_head_timer()
        if self._turn is not None:
            self._turn.cancel()
        if self._task is not None:
            self._task.cancel()
        self._give_up()

    def _give_up(self, answered: int = 0) -> None:
        """Give up the exchanges but for so many first ones."""
        self._receiving = None
        self._working.clear()
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
            self._server.connections.discard(self)
            self._transport.abort()

    def freeze(self) -> None:
        """Read nothing more from the client, as on a machine that hangs; only `close` ends it."""
        if self._transport is not None and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def finish(self) -> None:
        """Close once everything that was written has gone out."""
        self._finishing = True
        self._advance()
        if self._transport is not None and not (self._exchanges and self._exchanges[0].pending):
            self._transport.close()

    # -- what the parser tells ----------------------------------------------------------------

    def on_request(self, request: Request) -> None:
        """A head is complete: somebody is found to answer it."""
        self._forget_head_timer()
        exchange = self._server.exchange(self, request)
        self._receiving = exchange
        self._exchanges.append(exchange)
        exchange.begin()

    def takes_body(self) -> bool:
        """Whether anybody wants the body."""
        return self._receiving is not None and self._receiving.takes_body

    def on_body(self, data: bytes) -> None:
        """Some of a body."""
        if self._receiving is not None:
            self._receiving.on_body(data)

    def on_end(self) -> None:
        """A body is complete."""
        if self._receiving is not None:
            receiving, self._receiving = self._receiving, None
            receiving.on_end()
            if not receiving.done and receiving in self._exchanges:
                if not self._working:
                    self._server.idle.remove(self)
                self._working.add(receiving)

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
        self._answered(exchange)
        self._advance()

    def completed(self, exchange: Exchange) -> None:
        """An answer is complete; the next ones go out."""
        if self._transport is None:
            exchange.on_sent()
        else:
            self._answered(exchange)
            self._advance()

    def _answered(self, exchange: Exchange) -> None:
        if exchange in self._working:
            self._working.remove(exchange)
            if not self._working:
                self._server.idle.touch(self)

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
        if self._parser.unread and self._turn is None and len(self._exchanges) < MAX_UNANSWERED:
            self._turn = self._server.loop.call_soon(self._take_turn)
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
