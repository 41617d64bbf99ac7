"""Bytes from a client become requests, exactly as the parser inside libprocess does it.

libprocess reads requests with http-parser 2.6.2 in its lenient build.  What that parser accepts is
wider than RFC 9112 in some places and narrower in others, and a command's developer meets both, so
this is a state machine of the same states rather than a parser of the RFC.  Three rules hold here:

- nothing is decided later than http-parser would decide it: a byte that cannot belong to a request
  fails the connection at once, however little has arrived;
- ordinary spans (a target, a header's value) are taken in one step, so a usual head costs a few
  regular expression matches, not one step a byte;
- this knows bytes only: what a target means is in `request_target.py`, who answers is elsewhere.

Source: http-parser 2.6.2 `http_parser_execute`, and libprocess `StreamingRequestDecoder`.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import Protocol

from agentsim.core.query_string import BadQuery, decode
from agentsim.wire import grammar
from agentsim.wire.framing import CutGzip, Malformed
from agentsim.wire.parser_states import UNCOUNTED, Progress, between_messages, in_name, in_value
from agentsim.wire.request_target import BadTarget, split

#: A whole head, its chunk-size lines included, may have this many bytes (HTTP_MAX_HEADER_SIZE).
MAX_HEAD_BYTES = 80 * 1024
#: libprocess reads at most this much at a time; header bytes are counted per read.
READ_BYTES = 80 * 1024
#: Bytes of a compressed body that are taken in one go: they may hold a thousand times as many.
_INFLATE_BYTES = 4 * 1024
#: Spans read in one turn, some milliseconds' work: a read can hold 16,000 chunks of a byte.
_MAX_STEPS = 2000


class Request:
    """One request's head, as a libprocess handler sees it.

    Attributes:
        method: one of `METHODS`, as text.
        path: the target's path, undecoded.
        query: the decoded query; the last of repeated keys.
        headers: names in lower case (libprocess compares them so); the last of repeated headers.
        keep_alive: whether the connection outlives the answer.
    """

    __slots__ = ("headers", "keep_alive", "method", "path", "query")

    def __init__(
        self,
        method: str,
        path: bytes,
        query: dict[bytes, bytes],
        headers: dict[bytes, bytes],
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive


class Handler(Protocol):
    """Who is told what arrives, in order: a head, its body in pieces, its end or its failure."""

    def on_request(self, request: Request) -> None:
        """A head is complete."""

    def takes_body(self) -> bool:
        """Whether the body of the last request is wanted; what nobody wants is not decompressed."""

    def on_body(self, data: bytes) -> None:
        """Some of the body of the last request, decompressed if it came as gzip."""

    def on_end(self) -> None:
        """The body of the last request is complete."""

    def on_body_failure(self, reason: str) -> None:
        """The body of the last request can't be decoded; nothing more of it will come."""


class Parser(Progress):
    """The parser of one connection.

    It stops after each message, and within a compressed body, so that whoever uses it can turn to
    other connections in between.

    Args:
        handler: told what arrives.

    Attributes:
        unread: how many of the bytes that arrived wait for `advance`.
    """

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self._handler = handler
        self._failed = False
        self._body_open = False
        self._requests = 0  # heads completed in the current read
        self._stop = False  # an upgrade ended the reading of this piece
        self._pieces: deque[bytes] = deque()  # as libprocess would read them
        self._position = 0  # in the first of them
        self._pause = False
        self.unread = 0

    @property
    def within_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return self.counted > 0 and not (self._body_open or self.state is between_messages)

    def feed(self, data: bytes) -> bool:
        """Take what arrived, and advance.

        Args:
            data: bytes as read from the connection.

        Returns:
            As `advance`.
        """
        self.keep(data)
        return self.advance()

    def keep(self, data: bytes) -> None:
        """Take what arrived, to be read by `advance`."""
        for start in range(0, len(data), READ_BYTES):
            self._pieces.append(data[start : start + READ_BYTES])
        self.unread += len(data)

    def advance(self) -> bool:
        """Read on, to the end of a message, of a turn's work or of what has arrived; `unread` tells
        which.

        Returns:
            False when the connection has to be closed without an answer.  As in libprocess, a read
            that completed a request keeps the connection open even if what followed was malformed;
            the next read then closes it.
        """
        while self._pieces:
            piece = self._pieces[0]
            before = self._position
            if not before:
                self._requests = 0
                self._stop = False
            try:
                if self._failed and not before:
                    raise Malformed
                self._execute(piece)
            except Malformed as malformed:
                self._failed = True
                self._position = len(piece)
                if self._body_open:
                    self._body_open = False
                    self._handler.on_body_failure(malformed.reason)
            self.unread -= self._position - before
            if self._position < len(piece):
                return True
            self._pieces.popleft()
            self._position = 0
            if self._failed and not self._requests:
                return False
        return True

    def _count(self, number: int) -> None:
        self.counted += number
        if self.counted > MAX_HEAD_BYTES:
            raise Malformed

    def _execute(self, data: bytes) -> None:
        position, end = self._position, len(data)
        self._pause = False
        steps = 0
        while position < end:
            if self._pause or steps == _MAX_STEPS:
                self._position = position
                return
            steps += 1
            before = position
            state = self.state
            counts = state not in UNCOUNTED
            if counts and self.counted >= MAX_HEAD_BYTES:
                raise Malformed
            position = state(self, data, position)
            if counts:
                self._count(position - before)
            if self._stop:
                if position < end:
                    raise Malformed  # bytes behind an upgrade belong to another protocol
                break
        self._position = position
        if self._stop:
            return
        if self.state in (in_name, in_value):
            self._count(1)  # http-parser counts a span cut by the end of a read once more
        if self.state is in_name and self.trailing:
            raise Malformed

    # -- what the states tell -----------------------------------------------------------------

    def head_complete(self) -> None:
        try:
            target = split(bytes(self.target))
            query = decode(target.query)
        except BadTarget:
            raise Malformed from None
        if isinstance(query, BadQuery):
            raise Malformed
        version = grammar.VERSION.fullmatch(self.version)
        if version is not None and int(version[1]) > 0 and int(version[2]) > 0:
            keep_alive = not self.framing.close
        else:
            keep_alive = self.framing.keep_alive
        if self.headers.get(b"content-encoding") == b"gzip":
            self.inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._requests += 1
        self._body_open = True
        self._handler.on_request(
            Request(self.method.decode(), target.path, query, self.headers, keep_alive)
        )

    def message_end(self) -> None:
        if self.inflate is not None and not self.inflate.eof:
            raise CutGzip
        self._body_open = False
        self._pause = True
        self.state = between_messages
        if self.upgrade:
            self._stop = True
        self._handler.on_end()

    @property
    def max_delivery_bytes(self) -> int:
        return READ_BYTES if self.inflate is None else _INFLATE_BYTES

    def deliver(self, data: bytes, *, unseen: bool) -> None:
        if self.inflate is None:
            self._handler.on_body(data)
            return
        if not self._handler.takes_body():
            self.inflate = None
            return
        self._pause = True
        try:
            self._decompress(self.inflate, data)
        except Malformed:
            # http-parser reports how far it came, and libprocess takes an error in a read's last
            # bytes for none: the request hangs until more arrives.
            if not unseen:
                raise
            self._failed = True

    def _decompress(self, inflate: zlib._Decompress, data: bytes) -> None:
        # A few bytes can hold very many: they are handed on in bounded pieces.
        while data and self._handler.takes_body():
            try:
                piece = inflate.decompress(data, READ_BYTES)
            except zlib.error:
                raise Malformed from None
            if piece:
                self._handler.on_body(piece)
            data = inflate.unconsumed_tail
            if inflate.eof:
                if inflate.unused_data:
                    raise Malformed
                return
