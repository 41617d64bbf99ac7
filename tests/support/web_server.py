"""A web server that misbehaves to order: real sockets on loopback, a scripted answer a request."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

DATE = "Mon, 23 Nov 2026 10:00:00 GMT"


@dataclass
class Request:
    line: str
    headers: dict[str, str]


@dataclass
class Web:
    """The running server. `requests` are those that arrived, in order."""

    host: str
    port: int
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hello--1.0.tar", *, host: str = "", user: str = "") -> str:
        return f"http://{user + '@' if user else ''}{host or self.host}:{self.port}{path}"


Answer = Callable[[socket.socket, Request, Web], None]


@contextmanager
def serve(
    *answers: Answer, tls: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[Web]:
    """Answer the first request with the first answer and so on; the last one is for all others."""
    listener = socket.create_server(address)
    web = Web(*listener.getsockname())
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            each = threading.Thread(target=handle, args=(connection,), daemon=True)
            threads.append(each)
            each.start()

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            request = _read_request(connection)
            if request is None:
                return
            answer = answers[min(len(web.requests), len(answers) - 1)]
            web.requests.append(request)
            answer(connection, request, web)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield web
    finally:
        web.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(5)


def head(status: str, **headers: str | int) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Date: {DATE}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def raw(*pieces: bytes) -> Answer:
    """Exactly these bytes, then the end of the connection."""

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def status(line: str, **headers: str | int) -> Answer:
    return raw(head(line, **{"Content_Length": 0, **headers}))


def body(data: bytes, **headers: str | int) -> Answer:
    return raw(head("200 OK", **{"Content_Length": len(data), **headers}), data)


def ranged(data: bytes, **validators: str) -> Answer:
    """A server that resumes when asked to, if If-Range names one of its validators."""

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        wanted = request.headers.get("range", "")
        if wanted and request.headers.get("if-range") in validators.values():
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            rest = data[start:]
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            connection.sendall(
                head(
                    "206 Partial Content",
                    Content_Range=span,
                    Content_Length=len(rest),
                    **validators,
                )
            )
            connection.sendall(rest)
        else:
            body(data, **validators)(connection, request, web)

    return answer


def cut(data: bytes, at: int, **headers: str | int) -> Answer:
    """Only the first `at` bytes of the body that was promised."""
    return raw(head("200 OK", Content_Length=len(data), **headers), data[:at])


def reset(data: bytes, at: int, **headers: str | int) -> Answer:
    """A connection reset (RST) after `at` bytes of the body, which the client has read by then."""

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        cut(data, at, **headers)(connection, request, web)
        _await_delivery(connection, web)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return answer


def stall(*pieces: bytes) -> Answer:
    """These bytes, then nothing, for as long as the test lasts."""

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        raw(*pieces)(connection, request, web)
        web.closing.wait(30)

    return answer


def drip(first: bytes, rest: bytes, interval: float) -> Answer:
    """`first` at once, then the bytes of `rest` one by one."""

    def answer(connection: socket.socket, request: Request, web: Web) -> None:
        connection.sendall(first)
        for byte in rest:
            if web.closing.wait(interval):
                return
            connection.sendall(bytes([byte]))

    return answer


def _await_delivery(connection: socket.socket, web: Web) -> None:
    """Wait until the peer's kernel has acknowledged everything (SIOCOUTQ)."""
    import fcntl
    import termios

    for _ in range(2000):
        unsent = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]
        if unsent == 0 or web.closing.wait(0.001):
            return


def _read_request(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    lines = received.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return Request(lines[0], {name.lower(): value.strip() for name, _, value in pairs})
