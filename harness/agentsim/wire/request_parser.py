"""Bytes from a client become requests, exactly as the parser inside libprocess does it.

libprocess reads requests with http-parser 2.6.2 in its lenient build.  What that parser accepts is
wider than RFC 9112 in some places and narrower in others, and a command's developer meets both, so
this is a state machine of the same states rather than a parser of the RFC.  Three rules hold here:

- nothing is decided later than http-parser would decide it: a byte that cannot belong to a request
  fails the connection at once, however little has arrived;
- ordinary spans (a target, a header's value) are taken in one step, so a usual head costs a few
  regular expression matches, not one step a byte;
- this file knows bytes only: what a target means is in `target.py`, who answers is elsewhere.

Source: http-parser 2.6.2 `http_parser_execute`, and libprocess `StreamingRequestDecoder`.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from agentsim.core.query_string import BadQuery, decode
from agentsim.wire import grammar
from agentsim.wire.framing import CutGzip, Framing, Malformed
from agentsim.wire.request_target import BadTarget, split

#: A whole head, its chunk-size lines included, may have this many bytes (HTTP_MAX_HEADER_SIZE).
MAX_HEAD = 80 * 1024
#: libprocess reads at most this much at a time; header bytes are counted per read.
READ_SIZE = 80 * 1024


# States, in the order in which a request goes through them.
(
    _START,
    _IN_METHOD,
    _BEFORE_TARGET,
    _IN_TARGET,
    _IN_VERSION,
    _LINE_END,
    _FIELD_START,
    _IN_NAME,
    _BEFORE_VALUE,
    _BLANK_VALUE_CR,
    _BLANK_VALUE_END,
    _VALUE_START,
    _IN_VALUE,
    _VALUE_CR,
    _VALUE_END,
    _HEAD_END,
    _CHUNK_SIZE_START,
    _IN_CHUNK_SIZE,
    _IN_CHUNK_PARAMETERS,
    _CHUNK_SIZE_END,
    _IN_CHUNK,
    _CHUNK_CR,
    _CHUNK_LF,
    _IN_BODY,
) = range(24)


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

    def on_body(self, data: bytes) -> None:
        """Some of the body of the last request, decompressed if it came as gzip."""

    def on_end(self) -> None:
        """The body of the last request is complete."""

    def on_body_failure(self, reason: str) -> None:
        """The body of the last request can't be decoded; nothing more of it will come."""


class Parser:
    """The parser of one connection."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._state = _START
        self._counted = 0  # bytes of the head so far
        self._failed = False
        self._body_open = False
        self._requests = 0  # heads completed in the current read
        self._stop = False  # an upgrade ended the reading of this piece
        self._begin()

    def _begin(self) -> None:
        self._method = b""
        self._target = b""
        self._version = b""
        self._name = b""
        self._value = b""
        self._field: tuple[bytes, bytes] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._framing = Framing()
        self._trailing = self._upgrade = False
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bool:
        """Take what arrived.

        Args:
            data: bytes as read from the connection.

        Returns:
            False when the connection has to be closed without an answer.  As in libprocess, a read
            that completed a request keeps the connection open even if what followed was malformed;
            the next read then closes it.
        """
        for start in range(0, len(data), READ_SIZE):
            self._requests = 0
            piece = data[start : start + READ_SIZE] if len(data) > READ_SIZE else data
            try:
                if self._failed:
                    raise Malformed
                self._stop = False
                self._execute(piece)
            except Malformed as malformed:
                self._failed = True
                if self._body_open:
                    self._body_open = False
                    self._handler.on_body_failure(malformed.reason)
            if self._failed and not self._requests:
                return False
        return True

    def _count(self, number: int) -> None:
        self._counted += number
        if self._counted > MAX_HEAD:
            raise Malformed

    def _execute(self, data: bytes) -> None:
        position, end = 0, len(data)
        steps = _STEPS
        while position < end:
            before = position
            state = self._state
            if state < _IN_CHUNK and self._counted >= MAX_HEAD:
                raise Malformed
            position = steps[state](self, data, position)
            if state < _IN_CHUNK:
                self._count(position - before)
            if self._stop:
                if position < end:
                    raise Malformed  # bytes behind an upgrade belong to another protocol
                return
        if self._state in (_IN_NAME, _IN_VALUE):
            self._count(1)  # http-parser counts a span cut by the end of a read once more
        if self._state == _IN_NAME and self._trailing:
            raise Malformed

    # -- the request line ---------------------------------------------------------------------

    def _on_start(self, data: bytes, position: int) -> int:
        match = grammar.NEWLINES.match(data, position)
        assert match is not None
        if match.end() == position:
            self._begin()
            self._state = _IN_METHOD
        return match.end()

    def _on_method(self, data: bytes, position: int) -> int:
        match = grammar.METHOD.match(data, position)
        assert match is not None
        method = self._method + match.group()
        stop = match.end()
        if stop == len(data):
            if method not in grammar.METHOD_PREFIXES:
                raise Malformed
            self._method = method
            return stop
        if method not in grammar.METHODS:
            raise Malformed
        self._method = method
        self._state = _BEFORE_TARGET
        return stop + 1

    def _on_before_target(self, data: bytes, position: int) -> int:
        match = grammar.SPACES.match(data, position)
        assert match is not None
        if match.end() < len(data):
            self._state = _IN_TARGET
        return match.end()

    def _on_target(self, data: bytes, position: int) -> int:
        match = grammar.TARGET.match(data, position)
        assert match is not None
        target = self._target + match.group() if self._target else match.group()
        first = target[:1]
        if self._method == b"CONNECT":
            form = grammar.SERVER_FORM
        elif first in (b"/", b"*"):
            form = grammar.PATH_FORM
        else:
            form = grammar.ABSOLUTE_PREFIX
        if form.fullmatch(target) is None:
            raise Malformed
        self._target = target
        stop = match.end()
        if stop == len(data):
            return stop
        if not target or (
            form is grammar.ABSOLUTE_PREFIX and not grammar.ABSOLUTE_ENDED.match(target)
        ):
            raise Malformed
        delimiter = data[stop]
        if delimiter == 0x20:
            self._state = _IN_VERSION
        else:
            self._version = b" H....0.9"  # a request line without a version is HTTP/0.9
            self._state = _LINE_END if delimiter == 0x0D else _FIELD_START
        return stop + 1

    def _on_version(self, data: bytes, position: int) -> int:
        # The four characters after the H may be anything, line ends too: the lenient build does
        # not look at them.  So only what follows them can end the line.
        version = self._version + data[position:]
        match = grammar.VERSION_PREFIX.match(version)
        assert match is not None
        stop = match.end()
        if stop == len(version):
            self._version = version
            return len(data)
        complete = grammar.VERSION.fullmatch(version, 0, stop)
        if complete is None or version[stop] not in b"\r\n":
            raise Malformed
        taken = stop - len(self._version)
        self._version = version[:stop]
        self._state = _LINE_END if version[stop] == 0x0D else _FIELD_START
        return position + taken + 1

    def _on_line_end(self, data: bytes, position: int) -> int:
        if data[position] != 0x0A:
            raise Malformed
        self._state = _FIELD_START
        return position + 1

    # -- header fields ------------------------------------------------------------------------

    def _on_field_start(self, data: bytes, position: int) -> int:
        byte = data[position]
        if byte == 0x0D:
            self._state = _HEAD_END
            return position + 1
        if byte == 0x0A:
            self._state = _HEAD_END
            return position
        self._name = b""
        self._state = _IN_NAME
        return position

    def _on_name(self, data: bytes, position: int) -> int:
        match = grammar.NAME.match(data, position)
        assert match is not None
        name = self._name + match.group()
        self._framing.see_name(self._name, name)
        self._name = name
        stop = match.end()
        if stop == len(data):
            return stop
        if data[stop] != 0x3A or not name or self._trailing:
            raise Malformed
        self._framing.begin_value(name)
        self._value = b""
        self._state = _BEFORE_VALUE
        return stop + 1

    def _on_before_value(self, data: bytes, position: int) -> int:
        match = grammar.BLANKS.match(data, position)
        assert match is not None
        stop = match.end()
        if stop == len(data):
            return stop
        byte = data[stop]
        if byte == 0x0D:
            self._state = _BLANK_VALUE_CR
            return stop + 1
        if byte == 0x0A:
            self._state = _BLANK_VALUE_END
            return stop + 1
        self._state = _VALUE_START
        return stop

    def _on_blank_value_cr(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._state = _BLANK_VALUE_END  # whatever the byte is: the lenient build does not look
        return position + 1

    def _on_blank_value_end(self, data: bytes, position: int) -> int:
        if data[position] in b" \t":
            self._state = _BEFORE_VALUE
            return position + 1
        self._headers[self._name.lower()] = b""
        self._state = _FIELD_START
        return position

    def _on_value_start(self, data: bytes, position: int) -> int:
        self._framing.begin_line(data[position])
        self._value += data[position : position + 1]
        self._state = _IN_VALUE
        return position + 1

    def _on_value(self, data: bytes, position: int) -> int:
        match = grammar.VALUE.match(data, position)
        assert match is not None
        span = match.group()
        if span:
            self._framing.take(span)
            self._value += span
        stop = match.end()
        if stop < len(data):
            if data[stop] == 0x0D:
                self._state = _VALUE_CR
                return stop + 1
            self._state = _VALUE_CR
        return stop

    def _on_value_cr(self, data: bytes, position: int) -> int:
        if data[position] != 0x0A:
            raise Malformed
        self._state = _VALUE_END
        return position + 1

    def _on_value_end(self, data: bytes, position: int) -> int:
        if data[position] in b" \t":
            self._state = _VALUE_START  # a folded line goes on with its blanks
            return position
        self._framing.end_value()
        self._headers[self._name.lower()] = self._value
        self._state = _FIELD_START
        return position

    # -- the end of a head, bodies ------------------------------------------------------------

    def _on_head_end(self, data: bytes, position: int) -> int:  # noqa: ARG002
        # The byte after the last CR is taken whatever it is.
        if self._trailing:
            self._message_end()
            return position + 1
        framing = self._framing
        if framing.chunked and framing.has_length:
            raise Malformed
        self._upgrade = self._method == b"CONNECT" or framing.upgrade
        self._head_complete()
        has_body = framing.chunked or bool(framing.length)
        if self._upgrade and (self._method == b"CONNECT" or not has_body):
            self._message_end()
        elif framing.chunked:
            self._state = _CHUNK_SIZE_START
        elif framing.length:
            self._state = _IN_BODY
        else:
            self._message_end()
        self._counted = -1  # this byte belongs to the head that is complete
        return position + 1

    def _head_complete(self) -> None:
        try:
            target = split(self._target)
            query = decode(target.query)
        except BadTarget:
            raise Malformed from None
        if isinstance(query, BadQuery):
            raise Malformed
        version = grammar.VERSION.fullmatch(self._version)
        if version is not None and int(version[1]) > 0 and int(version[2]) > 0:
            keep_alive = not self._framing.close
        else:
            keep_alive = self._framing.keep_alive
        if self._headers.get(b"content-encoding") == b"gzip":
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._requests += 1
        self._body_open = True
        self._handler.on_request(
            Request(self._method.decode(), target.path, query, self._headers, keep_alive)
        )

    def _message_end(self) -> None:
        if self._inflate is not None and not self._inflate.eof:
            raise CutGzip
        self._body_open = False
        self._state = _START
        if self._upgrade:
            self._stop = True
        self._handler.on_end()

    def _deliver(self, data: bytes, *, unseen: bool) -> None:
        if self._inflate is None:
            self._handler.on_body(data)
            return
        try:
            self._decompress(self._inflate, data)
        except Malformed:
            # http-parser reports how far it came, and libprocess takes an error in a read's last
            # bytes for none: the request hangs until more arrives.
            if not unseen:
                raise
            self._failed = True

    def _decompress(self, inflate: zlib._Decompress, data: bytes) -> None:
        # A few bytes can hold very many: they are handed on in bounded pieces.
        while data:
            try:
                piece = inflate.decompress(data, READ_SIZE)
            except zlib.error:
                raise Malformed from None
            if piece:
                self._handler.on_body(piece)
            data = inflate.unconsumed_tail
            if inflate.eof:
                if inflate.unused_data:
                    raise Malformed
                return

    def _on_body(self, data: bytes, position: int) -> int:
        assert self._framing.length is not None
        taken = min(self._framing.length, len(data) - position)
        self._framing.length -= taken
        self._deliver(data[position : position + taken], unseen=self._framing.length > 0)
        if self._framing.length == 0:
            self._message_end()
        return position + taken

    def _on_chunk_size_start(self, data: bytes, position: int) -> int:
        if data[position] not in b"0123456789abcdefABCDEF":
            raise Malformed
        self._framing.length = 0
        self._state = _IN_CHUNK_SIZE
        return position

    def _on_chunk_size(self, data: bytes, position: int) -> int:
        match = grammar.HEX.match(data, position)
        assert match is not None
        self._framing.take_chunk_digits(match.group())
        stop = match.end()
        if stop == len(data):
            return stop
        byte = data[stop]
        if byte == 0x0D:
            self._state = _CHUNK_SIZE_END
        elif byte in b"; ":
            self._state = _IN_CHUNK_PARAMETERS
        else:
            raise Malformed
        return stop + 1

    def _on_chunk_parameters(self, data: bytes, position: int) -> int:
        match = grammar.NOT_CR.match(data, position)
        assert match is not None
        stop = match.end()
        if stop == len(data):
            return stop
        self._state = _CHUNK_SIZE_END
        return stop + 1

    def _on_chunk_size_end(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._counted = -1
        if self._framing.length == 0:
            self._trailing = True
            self._state = _FIELD_START
        else:
            self._state = _IN_CHUNK
        return position + 1

    def _on_chunk(self, data: bytes, position: int) -> int:
        assert self._framing.length is not None
        taken = min(self._framing.length, len(data) - position)
        self._framing.length -= taken
        self._deliver(data[position : position + taken], unseen=position + taken >= len(data) - 1)
        if self._framing.length == 0:
            self._state = _CHUNK_CR
        return position + taken

    def _on_chunk_cr(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._state = _CHUNK_LF
        return position + 1

    def _on_chunk_lf(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._counted = 0
        self._state = _CHUNK_SIZE_START
        return position + 1


_STEPS = {
    _START: Parser._on_start,
    _IN_METHOD: Parser._on_method,
    _BEFORE_TARGET: Parser._on_before_target,
    _IN_TARGET: Parser._on_target,
    _IN_VERSION: Parser._on_version,
    _LINE_END: Parser._on_line_end,
    _FIELD_START: Parser._on_field_start,
    _IN_NAME: Parser._on_name,
    _BEFORE_VALUE: Parser._on_before_value,
    _BLANK_VALUE_CR: Parser._on_blank_value_cr,
    _BLANK_VALUE_END: Parser._on_blank_value_end,
    _VALUE_START: Parser._on_value_start,
    _IN_VALUE: Parser._on_value,
    _VALUE_CR: Parser._on_value_cr,
    _VALUE_END: Parser._on_value_end,
    _HEAD_END: Parser._on_head_end,
    _CHUNK_SIZE_START: Parser._on_chunk_size_start,
    _IN_CHUNK_SIZE: Parser._on_chunk_size,
    _IN_CHUNK_PARAMETERS: Parser._on_chunk_parameters,
    _CHUNK_SIZE_END: Parser._on_chunk_size_end,
    _IN_CHUNK: Parser._on_chunk,
    _CHUNK_CR: Parser._on_chunk_cr,
    _CHUNK_LF: Parser._on_chunk_lf,
    _IN_BODY: Parser._on_body,
}
