"""Answers become the bytes that libprocess would write.

Three forms exist, as in libprocess: a body in memory (BODY, compressed if the client accepts it), a
file (PATH, never compressed), and a stream (PIPE, chunked whatever the client's HTTP version).

Source: libprocess `HttpResponseEncoder`, `HttpProxy`, `Request::acceptsEncoding`, stout `gzip.hpp`.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable

from agentsim.core.status_names import REASON_PHRASES
from agentsim.wire.header_order import ordered

#: Bodies in memory of this many bytes or more are compressed if the client accepts gzip.
GZIP_MINIMUM = 1024
LAST_CHUNK = b"0\r\n\r\n"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Headers = Iterable[tuple[str, str]]


class _Clock:
    """The Date header's value, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def date(self) -> str:
        now = int(time.time())
        if now != self._second:
            t = time.gmtime(now)
            self._second = now
            self._text = (
                f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
                f" {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
            )
        return self._text


_CLOCK = _Clock()


def head(status: int, headers: Headers) -> bytes:
    """The status line and headers, the blank line included."""
    lines = [f"HTTP/1.1 {status} {REASON_PHRASES[status]}"]
    lines += [f"{name}: {value}" for name, value in ordered(headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def with_body(
    status: int, headers: Headers, body: bytes, request_headers: dict[bytes, bytes]
) -> bytes:
    """An answer held in memory, compressed if that is worth it and the client accepts it."""
    fields = dict(headers)
    fields["Date"] = _CLOCK.date()
    if len(body) >= GZIP_MINIMUM and accepts_gzip(request_headers):
        body = compress(body)
        fields["Content-Length"] = str(len(body))
        fields["Content-Encoding"] = "gzip"
    return head(status, fields.items()) + body


def file_head(status: int, headers: Headers, size: int) -> bytes:
    """The head of an answer whose body is a file of `size` bytes."""
    fields = dict(headers)
    fields["Content-Length"] = str(size)
    fields["Date"] = _CLOCK.date()
    return head(status, fields.items())


def stream_head(status: int, headers: Headers) -> bytes:
    """The head of a streamed answer; its body follows in chunks."""
    fields = dict(headers)
    fields["Transfer-Encoding"] = "chunked"
    fields["Date"] = _CLOCK.date()
    return head(status, fields.items())


def chunk(data: bytes) -> bytes:
    """One chunk of a streamed answer; `data` is not empty (that would end the stream)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def compress(body: bytes) -> bytes:
    """The gzip form that stout's `gzip::compress` gives, byte for byte."""
    deflate = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, zlib.MAX_WBITS | 16, 8)
    return deflate.compress(body) + deflate.flush()


def accepts_gzip(request_headers: dict[bytes, bytes]) -> bool:
    """Whether libprocess takes the request's Accept-Encoding as accepting gzip.

    The first entry named gzip decides, else the first named `*`; an entry's quality counts only if
    it is given once and reads as a number.
    """
    accept = request_headers.get(b"accept-encoding", b"")
    entries = [e for e in accept.translate(None, b" \t\n").split(b",") if e]
    for candidate in (b"gzip", b"*"):
        for entry in entries:
            parts = [p for p in entry.split(b";") if p]
            if parts and parts[0].lower() == candidate:
                return _quality_above_zero(parts)
    return False


def _quality_above_zero(parts: list[bytes]) -> bool:
    pairs = [[word for word in part.split(b"=") if word] for part in parts]
    values = [pair[1] for pair in pairs if len(pair) == 2 and pair[0] == b"q"]
    if len(values) != 1:
        return True
    try:
        return float(values[0]) > 0
    except ValueError:
        return False
