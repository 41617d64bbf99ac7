"""A client that sees every byte: what a host sends is read as it is, and nothing is hidden.

Every wait has a deadline; a host that does not answer in time fails the test with what had come
until then. Nothing here decides what is right.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

PIECE = 1 << 20
Headers = Iterable[tuple[str, str]]
Query = Mapping[str, object] | Iterable[tuple[str, object]]


class Disconnected(Exception):
    """The host closed the connection before an answer was complete."""


@dataclass(frozen=True)
class Head:
    """Status line and headers of an answer, as they came."""

    version: str
    status: int
    phrase: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The value of a header, whatever the case of its name; None if it is not there."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    @property
    def names(self) -> list[str]:
        """The names of the headers, in order."""
        return [name for name, _ in self.headers]

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.get("Transfer-Encoding") == "chunked"


@dataclass(frozen=True)
class Response:
    """A whole answer.

    Attributes:
        head: status line and headers.
        body: the bytes behind it, without the framing of chunks.
        chunks: each chunk of a chunked body.
        seconds: from the sending of the request to the last byte.
    """

    head: Head
    body: bytes
    chunks: list[bytes] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """The number on the status line."""
        return self.head.status

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "surrogateescape")

    @property
    def problem(self) -> dict[str, Any]:
        """The members of a problem; fails if the answer is none."""
        assert self.head.get("Content-Type") == "application/problem+json", self.body[:500]
        members: dict[str, Any] = json.loads(self.body)
        assert members["status"] == self.status
        return members

    @property
    def reason(self) -> str:
        """Why the host says that there is no output: the end of a problem's type."""
        prefix, _, reason = str(self.problem["type"]).rpartition(":")
        assert prefix == "urn:command-abi:1", self.problem
        return reason

    @property
    def arguments(self) -> list[bytes]:
        """What the probe `argv` printed: its arguments, from those behind `argv` on."""
        assert self.status == 200, (self.status, self.body[:500])
        return self.body[:-1].split(b"\0")[3:]

    @property
    def record(self) -> dict[str, Any]:
        """The exit record of a stream."""
        assert self.status == 200 and self.head.chunked, (self.status, self.body[:500])
        assert self.body.endswith(b"\n"), f"the last line is cut: {self.body[-500:]!r}"
        record: dict[str, Any] = json.loads(self.body[:-1].rpartition(b"\n")[2])
        assert record["record"] == "exit", record
        return record

    @property
    def output(self) -> bytes:
        """The output of a stream: everything before its exit record."""
        assert self.record
        body, newline, _ = self.body[:-1].rpartition(b"\n")
        return body + newline


class Connection:
    """One connection to a host.

    Args:
        address: where the host listens.
        deadline: seconds that any single wait may last.
    """

    def __init__(self, address: tuple[str, int], deadline: float) -> None:
        self.deadline = deadline
        self._socket = socket.create_connection(address, timeout=deadline)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._have = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- sending ------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises:
            Disconnected: the host closed the connection.
            TimeoutError: it did not take them in time.
        """
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Disconnected(str(error)) from None

    def request(
        self, method: str, target: str, headers: Headers = (), body: bytes | None = None
    ) -> None:
        """Send a request."""
        self.send(request_bytes(method, target, headers, body))

    def half_close(self) -> None:
        """Close the direction towards the host."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close so that the host sees a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def small_window(self) -> None:
        """Let the kernel keep little of what is not read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    # -- receiving ----------------------------------------------------------------------------

    def receive(self, within: float | None = None) -> bytes:
        """Some bytes; none if the host has closed the connection.

        Raises:
            TimeoutError: nothing came in time.
        """
        if self._have:
            have, self._have = self._have, b""
            return have
        self._socket.settimeout(self.deadline if within is None else within)
        try:
            return self._socket.recv(PIECE)
        except ConnectionResetError:
            return b""
        finally:
            self._socket.settimeout(self.deadline)

    def readable(self, seconds: float = 0) -> bool:
        """Whether something has come, be it the end, or comes within that time."""
        return bool(self._have or select.select([self._socket], [], [], seconds)[0])

    def _more(self) -> None:
        have, self._have = self._have, b""
        try:
            data = self.receive()
        except TimeoutError:
            raise TimeoutError(f"nothing more came after {have[-500:]!r}") from None
        if not data:
            raise Disconnected(f"closed after {have[-500:]!r}")
        self._have = have + data

    def _line(self) -> bytes:
        while b"\r\n" not in self._have:
            self._more()
        line, _, self._have = self._have.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            if not self._have:
                self._more()
            part, self._have = self._have[:size], self._have[size:]
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def head(self) -> Head:
        """The head of the next answer.

        Raises:
            Disconnected: the host closed the connection instead.
            TimeoutError: it did not come in time.
        """
        version, _, rest = self._line().decode("latin-1").partition(" ")
        status, _, phrase = rest.partition(" ")
        assert version.startswith("HTTP/1.") and status.isdigit(), (version, rest)
        headers = []
        while line := self._line().decode("latin-1"):
            name, colon, value = line.partition(":")
            assert colon, line
            headers.append((name, value.strip()))
        return Head(version, int(status), phrase, headers)

    def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty for the last one."""
        size = int(self._line().partition(b";")[0], 16)
        data = self._exactly(size)
        assert self._line() == b""
        return data

    def pieces(self, head: Head) -> Iterator[bytes]:
        """A body of any size, piece by piece."""
        if head.chunked:
            while data := self.chunk():
                yield data
            return
        size = int(head.get("Content-Length") or "0")
        while size:
            data = self._exactly(min(size, len(self._have) or 1))
            size -= len(data)
            yield data

    def response(self) -> Response:
        """The next answer as a whole."""
        started = time.monotonic()
        head = self.head()
        pieces = list(self.pieces(head))
        return Response(
            head, b"".join(pieces), pieces if head.chunked else [], time.monotonic() - started
        )

    def closed(self) -> bool:
        """Whether the host closes the connection, in time, without sending another byte."""
        try:
            data = self.receive()
        except TimeoutError:
            return False
        assert not data, f"an answer came: {data[:500]!r}"
        return True


def request_bytes(
    method: str, target: str, headers: Headers = (), body: bytes | None = None
) -> bytes:
    """A request of HTTP/1.1; with a body, its length is declared."""
    lines = [f"{method} {target} HTTP/1.1"]
    if not any(name == "Host" for name, _ in headers):
        lines.append("Host: probe")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def query_string(query: Query) -> str:
    """`?` and percent-encoded pairs; nothing for no pairs."""
    pairs = query.items() if isinstance(query, Mapping) else query
    encoded = "&".join(f"{quote(k, '')}={quote(_bytes(v), '')}" for k, v in pairs)
    return f"?{encoded}" if encoded else ""


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def basic(principal: str, secret: str) -> tuple[str, str]:
    """The header that proves who somebody is (RFC 7617)."""
    pair = base64.b64encode(f"{principal}:{secret}".encode()).decode()
    return "Authorization", f"Basic {pair}"
