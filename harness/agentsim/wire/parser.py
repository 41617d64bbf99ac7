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

import re
import zlib
from typing import Protocol

from agentsim.core.query import BadQuery, decode
from agentsim.wire.target import BadTarget, split

METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH"
    b" UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE"
    b" UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK".split()
)
_METHOD_PREFIXES = frozenset(m[:n] for m in METHODS for n in range(1, len(m) + 1))

#: A whole head, its chunk-size lines included, may have this many bytes (HTTP_MAX_HEADER_SIZE).
MAX_HEAD = 80 * 1024
#: libprocess reads at most this much at a time; header bytes are counted per read.
READ_SIZE = 80 * 1024

_MAX_LENGTH = 2**64 - 1

_NEWLINES = re.compile(rb"[\r\n]*")
_SPACES = re.compile(rb" *")
_BLANKS = re.compile(rb"[ \t]*")
_METHOD = re.compile(rb"[^ ]*")
# Tab and form feed, bytes above 0x7F: the lenient build takes them in a target.
_TARGET = re.compile(rb"[^ \r\n]*")
_LENIENT = rb"\t\x0c!-~\x80-\xff"
_USERINFO = rb"A-Za-z0-9\-_.!~*'()%;:&=+$,"
_PATH_FORM = re.compile(rb"[/*][" + _LENIENT + rb"]*")
_SERVER = rb"(?:(?:[" + _USERINFO + rb"\[\]]|@(?!@))*(?:[/?][" + _LENIENT + rb"]*)?)"
_ABSOLUTE_PREFIX = re.compile(rb"[A-Za-z]+(?::(?:/(?:/" + _SERVER + rb")?)?)?")
_SERVER_FORM = re.compile(_SERVER)
# A target may end only where http-parser is past the "//" of its scheme.
_ABSOLUTE_ENDED = re.compile(rb"[A-Za-z]+://.", re.DOTALL)
_VERSION_PREFIX = re.compile(
    rb" *(?:H(?:.(?:.(?:.(?:.(?:[1-9](?:[0-9]{0,2}(?:\.(?:0*[0-9]{0,3})?)?)?)?)?)?)?)?)?", re.DOTALL
)
_VERSION = re.compile(rb" *H....([0-9]+)\.0*([0-9]+)", re.DOTALL)
_TOKEN_CHARACTERS = rb"!#$%&'*+\-.0-9A-Z^_`a-z|~ "
_NAME = re.compile(rb"[" + _TOKEN_CHARACTERS + rb"]*")
_VALUE = re.compile(rb"[^\r\n]*")
_HEX = re.compile(rb"[0-9A-Fa-f]*")
_NOT_CR = re.compile(rb"[^\r]*")

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

# What the value of a header of special meaning has matched so far (http-parser's header_state).
_GENERAL = "general"
_LENGTH = "content-length"
_ENCODING = "transfer-encoding"
_UPGRADE = "upgrade"
_CONNECTION = "connection"
_CHUNKED_MATCHED = "chunked"
_TOKEN_START = "token-start"
_TOKEN = "token"
_CLOSE_MATCHED = "close"
_KEEP_ALIVE_MATCHED = "keep-alive"
_UPGRADE_MATCHED = "connection-upgrade"
_MATCHING = {
    "matching-chunked": (b"chunked", _GENERAL, _CHUNKED_MATCHED),
    "matching-keep-alive": (b"keep-alive", _TOKEN, _KEEP_ALIVE_MATCHED),
    "matching-close": (b"close", _TOKEN, _CLOSE_MATCHED),
    "matching-upgrade": (b"upgrade", _TOKEN, _UPGRADE_MATCHED),
}
_SPECIAL = {
    b"connection": _CONNECTION,
    b"proxy-connection": _CONNECTION,
    b"content-length": _LENGTH,
    b"transfer-encoding": _ENCODING,
    b"upgrade": _UPGRADE,
}


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


class _Malformed(Exception):
    """The bytes are no request."""

    reason = "failed to decode body"


class _CutGzip(_Malformed):
    """A compressed body ends before its compression does."""

    reason = "Failed to decompress body"


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
        self._special = _GENERAL
        self._matched = 0
        self._length: int | None = None
        self._has_length = self._chunked = self._trailing = False
        self._close = self._keep = self._upgrade_header = self._upgrade_token = False
        self._upgrade = self._skip_body = False
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
                    raise _Malformed
                self._stop = False
                self._execute(piece)
            except _Malformed as malformed:
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
            raise _Malformed

    def _execute(self, data: bytes) -> None:
        position, end = 0, len(data)
        steps = _STEPS
        while position < end:
            before = position
            state = self._state
            if state < _IN_CHUNK and self._counted >= MAX_HEAD:
                raise _Malformed
            position = steps[state](self, data, position)
            if state < _IN_CHUNK:
                self._count(position - before)
            if self._stop:
                if position < end:
                    raise _Malformed  # bytes behind an upgrade belong to another protocol
                return
        if self._state in (_IN_NAME, _IN_VALUE):
            self._count(1)  # http-parser counts a span cut by the end of a read once more
        if self._state == _IN_NAME and self._trailing:
            raise _Malformed

    # -- the request line ---------------------------------------------------------------------

    def _on_start(self, data: bytes, position: int) -> int:
        match = _NEWLINES.match(data, position)
        assert match is not None
        if match.end() == position:
            self._begin()
            self._state = _IN_METHOD
        return match.end()

    def _on_method(self, data: bytes, position: int) -> int:
        match = _METHOD.match(data, position)
        assert match is not None
        method = self._method + match.group()
        stop = match.end()
        if stop == len(data):
            if method not in _METHOD_PREFIXES:
                raise _Malformed
            self._method = method
            return stop
        if method not in METHODS:
            raise _Malformed
        self._method = method
        self._state = _BEFORE_TARGET
        return stop + 1

    def _on_before_target(self, data: bytes, position: int) -> int:
        match = _SPACES.match(data, position)
        assert match is not None
        if match.end() < len(data):
            self._state = _IN_TARGET
        return match.end()

    def _on_target(self, data: bytes, position: int) -> int:
        match = _TARGET.match(data, position)
        assert match is not None
        target = self._target + match.group() if self._target else match.group()
        first = target[:1]
        if self._method == b"CONNECT":
            form = _SERVER_FORM
        elif first in (b"/", b"*"):
            form = _PATH_FORM
        else:
            form = _ABSOLUTE_PREFIX
        if form.fullmatch(target) is None:
            raise _Malformed
        self._target = target
        stop = match.end()
        if stop == len(data):
            return stop
        if not target or (form is _ABSOLUTE_PREFIX and not _ABSOLUTE_ENDED.match(target)):
            raise _Malformed
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
        match = _VERSION_PREFIX.match(version)
        assert match is not None
        stop = match.end()
        if stop == len(version):
            self._version = version
            return len(data)
        complete = _VERSION.fullmatch(version, 0, stop)
        if complete is None or version[stop] not in b"\r\n":
            raise _Malformed
        taken = stop - len(self._version)
        self._version = version[:stop]
        self._state = _LINE_END if version[stop] == 0x0D else _FIELD_START
        return position + taken + 1

    def _on_line_end(self, data: bytes, position: int) -> int:
        if data[position] != 0x0A:
            raise _Malformed
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
        match = _NAME.match(data, position)
        assert match is not None
        had_length = self._name[:14].lower() == b"content-length"
        name = self._name + match.group()
        self._name = name
        if not had_length and name[:14].lower() == b"content-length":
            if self._has_length:
                raise _Malformed
            self._has_length = True
        stop = match.end()
        if stop == len(data):
            return stop
        if data[stop] != 0x3A or not name or self._trailing:
            raise _Malformed
        self._special = _SPECIAL.get(name.lower().rstrip(b" "), _GENERAL)
        self._value = b""
        self._state = _BEFORE_VALUE
        return stop + 1

    def _on_before_value(self, data: bytes, position: int) -> int:
        match = _BLANKS.match(data, position)
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
        byte = data[position]
        special = self._special
        lower = byte | 0x20
        self._matched = 0
        if special is _LENGTH:
            if not 0x30 <= byte <= 0x39:
                raise _Malformed
            self._length = byte - 0x30
        elif special is _UPGRADE:
            self._upgrade_header = True
            self._special = _GENERAL
        elif special is _ENCODING:
            self._special = "matching-chunked" if lower == 0x63 else _GENERAL
        elif special is _CONNECTION:
            self._special = self._token_of(lower)
        elif special is not _TOKEN_START:
            self._special = _GENERAL
        self._value += data[position : position + 1]
        self._state = _IN_VALUE
        return position + 1

    @staticmethod
    def _token_of(lower: int) -> str:
        if lower == 0x6B:
            return "matching-keep-alive"
        if lower == 0x63:
            return "matching-close"
        if lower == 0x75:
            return "matching-upgrade"
        return _TOKEN

    def _on_value(self, data: bytes, position: int) -> int:
        match = _VALUE.match(data, position)
        assert match is not None
        span = match.group()
        if span:
            if self._special is _GENERAL:
                # Only the first byte of each span is looked at, then the parser skips to the end.
                if not _is_header_byte(span[0]):
                    raise _Malformed
            else:
                self._match_special(span)
            self._value += span
        stop = match.end()
        if stop < len(data):
            if data[stop] == 0x0D:
                self._state = _VALUE_CR
                return stop + 1
            self._state = _VALUE_CR
        return stop

    def _match_special(self, span: bytes) -> None:
        for byte in span:
            special = self._special
            if not _is_header_byte(byte):
                raise _Malformed
            lower = byte | 0x20
            if special is _GENERAL:
                return
            if special is _LENGTH:
                if byte == 0x20:
                    continue
                if not 0x30 <= byte <= 0x39:
                    raise _Malformed
                assert self._length is not None
                if self._length > (_MAX_LENGTH - 10) // 10:
                    raise _Malformed
                self._length = self._length * 10 + byte - 0x30
            elif special in _MATCHING:
                word, otherwise, matched = _MATCHING[special]
                self._matched += 1
                if self._matched >= len(word) or lower != word[self._matched]:
                    self._special = otherwise
                elif self._matched == len(word) - 1:
                    self._special = matched
            elif special is _TOKEN_START:
                if lower in b"kcu":
                    self._special = self._token_of(lower)
                elif _NAME.fullmatch(bytes((lower,))) and lower != 0x20:
                    self._special = _TOKEN
                elif lower not in b" \t":
                    self._special = _GENERAL
            elif special is _TOKEN:
                if byte == 0x2C:
                    self._special, self._matched = _TOKEN_START, 0
            elif special is _CHUNKED_MATCHED:
                if byte != 0x20:
                    self._special = _GENERAL
            elif byte == 0x2C:
                self._note_connection()
                self._special, self._matched = _TOKEN_START, 0
            elif byte != 0x20:
                self._special = _TOKEN

    def _note_connection(self) -> None:
        if self._special is _KEEP_ALIVE_MATCHED:
            self._keep = True
        elif self._special is _CLOSE_MATCHED:
            self._close = True
        elif self._special is _UPGRADE_MATCHED:
            self._upgrade_token = True

    def _on_value_cr(self, data: bytes, position: int) -> int:
        if data[position] != 0x0A:
            raise _Malformed
        self._state = _VALUE_END
        return position + 1

    def _on_value_end(self, data: bytes, position: int) -> int:
        if data[position] in b" \t":
            self._state = _VALUE_START  # a folded line goes on with its blanks
            return position
        if self._special is _CHUNKED_MATCHED:
            self._chunked = True
        else:
            self._note_connection()
        self._headers[self._name.lower()] = self._value
        self._state = _FIELD_START
        return position

    # -- the end of a head, bodies ------------------------------------------------------------

    def _on_head_end(self, data: bytes, position: int) -> int:  # noqa: ARG002
        # The byte after the last CR is taken whatever it is.
        if self._trailing:
            self._message_end()
            return position + 1
        if self._chunked and self._has_length:
            raise _Malformed
        self._upgrade = self._method == b"CONNECT" or (self._upgrade_header and self._upgrade_token)
        self._head_complete()
        has_body = self._chunked or bool(self._length)
        if self._upgrade and (self._method == b"CONNECT" or not has_body):
            self._message_end()
        elif self._chunked:
            self._state = _CHUNK_SIZE_START
        elif self._length:
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
            raise _Malformed from None
        if isinstance(query, BadQuery):
            raise _Malformed
        version = _VERSION.fullmatch(self._version)
        if version is not None and int(version[1]) > 0 and int(version[2]) > 0:
            keep_alive = not self._close
        else:
            keep_alive = self._keep
        if self._headers.get(b"content-encoding") == b"gzip":
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._requests += 1
        self._body_open = True
        self._handler.on_request(
            Request(self._method.decode(), target.path, query, self._headers, keep_alive)
        )

    def _message_end(self) -> None:
        if self._inflate is not None and not self._inflate.eof:
            raise _CutGzip
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
        except _Malformed:
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
                raise _Malformed from None
            if piece:
                self._handler.on_body(piece)
            data = inflate.unconsumed_tail
            if inflate.eof:
                if inflate.unused_data:
                    raise _Malformed
                return

    def _on_body(self, data: bytes, position: int) -> int:
        assert self._length is not None
        taken = min(self._length, len(data) - position)
        self._length -= taken
        self._deliver(data[position : position + taken], unseen=self._length > 0)
        if self._length == 0:
            self._message_end()
        return position + taken

    def _on_chunk_size_start(self, data: bytes, position: int) -> int:
        if data[position] not in b"0123456789abcdefABCDEF":
            raise _Malformed
        self._length = 0
        self._state = _IN_CHUNK_SIZE
        return position

    def _on_chunk_size(self, data: bytes, position: int) -> int:
        match = _HEX.match(data, position)
        assert match is not None and self._length is not None
        for digit in match.group():
            if self._length > (_MAX_LENGTH - 16) // 16:
                raise _Malformed
            self._length = self._length * 16 + int(chr(digit), 16)
        stop = match.end()
        if stop == len(data):
            return stop
        byte = data[stop]
        if byte == 0x0D:
            self._state = _CHUNK_SIZE_END
        elif byte in b"; ":
            self._state = _IN_CHUNK_PARAMETERS
        else:
            raise _Malformed
        return stop + 1

    def _on_chunk_parameters(self, data: bytes, position: int) -> int:
        match = _NOT_CR.match(data, position)
        assert match is not None
        stop = match.end()
        if stop == len(data):
            return stop
        self._state = _CHUNK_SIZE_END
        return stop + 1

    def _on_chunk_size_end(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._counted = -1
        if self._length == 0:
            self._trailing = True
            self._state = _FIELD_START
        else:
            self._state = _IN_CHUNK
        return position + 1

    def _on_chunk(self, data: bytes, position: int) -> int:
        assert self._length is not None
        taken = min(self._length, len(data) - position)
        self._length -= taken
        self._deliver(data[position : position + taken], unseen=position + taken >= len(data) - 1)
        if self._length == 0:
            self._state = _CHUNK_CR
        return position + taken

    def _on_chunk_cr(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._state = _CHUNK_LF
        return position + 1

    def _on_chunk_lf(self, data: bytes, position: int) -> int:  # noqa: ARG002
        self._counted = 0
        self._state = _CHUNK_SIZE_START
        return position + 1


def _is_header_byte(byte: int) -> bool:
    return byte == 9 or (byte > 31 and byte != 127)


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
