"""One request and its answer, as the connection sees them; whoever answers derives from this."""

from __future__ import annotations

import time
from typing import BinaryIO, Protocol

from agentsim.run.send_buffer import SendBuffer
from agentsim.wire import response_encoding
from agentsim.wire.request_parser import Request

Headers = list[tuple[str, str]]


class ClientConnection(Protocol):
    """The connection that a request came on."""

    @property
    def closed(self) -> bool:
        """Whether nothing that is sent can reach the client any more."""

    @property
    def unsent(self) -> int:
        """Bytes that were sent and that the client's side has not taken yet."""

    def put(self, exchange: Exchange, data: bytes) -> None:
        """Send bytes of an answer, or keep them until it is its turn."""

    def send_file(self, exchange: Exchange, file: BinaryIO, size: int) -> None:
        """Send a file after what was put before; completes the exchange."""

    def completed(self, exchange: Exchange) -> None:
        """An answer is complete; the next ones go out."""

    def finish(self) -> None:
        """Close once everything that was written has gone out."""


class Exchange:
    """One request and its answer.

    The connection first queues it, then calls `begin`, then the other `on_…` methods as the body
    comes. From `begin` on the exchange may answer: with `answer`, or `answer_file`, or
    `begin_stream` (then `stream` and `end_stream`).
    """

    __slots__ = (
        "arrived",
        "bytes_sent",
        "connection",
        "done",
        "pending",
        "request",
        "status",
        "streaming",
    )

    def __init__(self, connection: ClientConnection, request: Request) -> None:
        self.connection = connection
        self.request = request
        self.arrived = time.monotonic()
        self.pending: SendBuffer | None = None
        self.status = 0
        self.bytes_sent = 0
        self.streaming = False
        self.done = False

    # -- what the connection tells ------------------------------------------------------------

    def begin(self) -> None:
        """The request's head is here, and the answer has its place among the others."""

    @property
    def takes_body(self) -> bool:
        """Whether what still comes of the request's body is wanted."""
        return False

    def on_body(self, data: bytes) -> None:
        """Some of the request's body."""

    def on_end(self) -> None:
        """The request's body is complete."""

    def on_body_failure(self, reason: str) -> None:
        """The body can't be decoded; libprocess answers with the reason."""
        self.answer_text(500, reason)

    def on_gone(self) -> None:
        """The client is gone; nothing that is answered will reach it."""

    def on_sent(self) -> None:
        """The answer has been handed to the connection in full."""

    # -- answering ----------------------------------------------------------------------------

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer with a body held in memory."""
        self.status = status
        self._put(response_encoding.with_body(status, headers, body, self.request.headers))
        self._complete()

    def answer_text(self, status: int, text: str, *more: tuple[str, str]) -> None:
        """Answer as libprocess's own `Response(body, status)` does."""
        body = text.encode()
        headers = [
            ("Content-Length", str(len(body))),
            ("Content-Type", "text/plain; charset=utf-8"),
            *more,
        ]
        self.answer(status, headers, body)

    def answer_file(self, status: int, headers: Headers, file: BinaryIO, size: int) -> None:
        """Answer with a file; it is closed by whoever opened it, after `on_sent`."""
        self.status = status
        self._put(response_encoding.file_head(status, headers, size))
        self.connection.send_file(self, file, size)

    def begin_stream(self, status: int, headers: Headers) -> None:
        """Start a streamed answer."""
        self.status = status
        self.streaming = True
        self._put(response_encoding.stream_head(status, headers))

    def stream(self, data: bytes) -> None:
        """Some of a streamed answer."""
        self._put(response_encoding.chunk(data))

    def end_stream(self) -> None:
        """The streamed answer is complete."""
        self._put(response_encoding.LAST_CHUNK)
        self._complete()

    def _put(self, data: bytes) -> None:
        self.bytes_sent += len(data)
        self.connection.put(self, data)

    def _complete(self) -> None:
        self.done = True
        self.connection.completed(self)


class TextExchange(Exchange):
    """A request that is answered with a text as soon as its head is here."""

    __slots__ = ("_headers", "_status", "_text")

    def __init__(
        self,
        connection: ClientConnection,
        request: Request,
        status: int,
        text: str,
        *headers: tuple[str, str],
    ) -> None:
        super().__init__(connection, request)
        self._status = status
        self._text = text
        self._headers = headers

    def begin(self) -> None:
        self.answer_text(self._status, self._text, *self._headers)


class DocumentExchange(Exchange):
    """A request that is answered with these headers and this body as soon as its head is here."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(
        self,
        connection: ClientConnection,
        request: Request,
        status: int,
        headers: Headers,
        body: bytes,
    ) -> None:
        super().__init__(connection, request)
        self._status = status
        self._headers = headers
        self._body = body

    def begin(self) -> None:
        self.answer(self._status, self._headers, self._body)
