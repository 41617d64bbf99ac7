"""Exchanges that were recorded from libprocess, played against a host and compared.

The recording's handlers knew more than a command does (headers, the client's address), and answered
errors in their own words; so what is compared is: how many answers there are, the status line of
each, its headers and their order, its framing, its body as far as a command can know it, and
whether the server closed the connection.
"""

from __future__ import annotations

import gzip
import json
import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from agentsim.files.recording_format import CLIENT, Recorded, piece_bytes

_SILENT: Final = 0.2
_PAUSE: Final = 0.2
_RECORD: Final = b'{"abi":1,"record":"exit",'

#: Handlers of the recording that no command can stand for, and why.
NO_COMMAND: Final = {
    "headers": "sets headers, which a command can't",
    "hash": "shows libprocess's hash map",
    "early": "answers before the body is there, which no command can",
    "refuse": "answers before the body is there, which no command can",
    "first": "answers before the body is there, which no command can",
    "mirror": "answers before the body is there, which no command can",
    "pieces": "sees the pieces in which a body comes",
    "privateupload": "reads its body after it was authenticated",
    "openrealm": "is in a realm without an authenticator",
    "abandoned": "never answers",
    "accepted": "answers without a body",
    "redirect": "sets a header",
    "discarded": "discards its future",
    "take": "shows what other requests have met",
    "two/methods": "answers 405 itself",
    "405": "answers 405 itself",
    "a/b": "shows the path of its request",
    "asset": "is a file that libprocess serves",
}
#: Targets that a host fills with what it is itself, or that are other processes of the recording.
OF_THE_HOST: Final = (
    *("/help", "/metrics", "/logging", "/profiler", "/system", "/__processes__"),
    *("/rooted", "/odd", "/memory-profiler"),
)
#: Where the command ABI asks for something else than the recording's handlers did.
ON_PURPOSE: Final = {
    "jsonp": "a key that the table does not declare is refused",
    "CONNECT": "no table can declare CONNECT",
    "refused": "a value that is no text is refused",
    "within": "no answer stands within a stream",
    "stream": "a stream ends with an exit record, also where the recording's failed",
}


class NotAnHttpAnswer(ValueError):
    """What came is no sequence of answers."""


@dataclass(frozen=True)
class Seen:
    """One answer: its status line, header names and values in order, body and chunks."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    chunks: list[bytes]

    def get(self, name: str) -> str:
        """The value of a header, empty if it is not there."""
        return next((v for n, v in self.headers if n == name), "")


def answers(data: bytes) -> tuple[list[Seen], bytes]:
    """Cut what came on one connection into answers.

    Returns:
        The answers, and what is left of one that is not complete.
    """
    found: list[Seen] = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            break
        status, *lines = head.decode("latin-1").split("\r\n")
        if not status.startswith("HTTP/1.1 "):
            raise NotAnHttpAnswer(repr(data[:200]))
        pairs = [line.partition(": ") for line in lines]
        headers = [(name, value) for name, _, value in pairs]
        values = dict(headers)
        if values.get("Transfer-Encoding") == "chunked":
            cut = _chunks(rest)
            if cut is None:
                break
            chunks, data = cut
            found.append(Seen(status, headers, b"".join(chunks), chunks))
        else:
            size = int(values.get("Content-Length", "0"))
            if rest[:size] == b"<body>" or b"<body>" in rest[:6]:
                size = 6
            if len(rest) < size:
                break
            found.append(Seen(status, headers, rest[:size], []))
            data = rest[size:]
    return found, data


def _chunks(data: bytes) -> tuple[list[bytes], bytes] | None:
    chunks: list[bytes] = []
    while True:
        line, end, data = data.partition(b"\r\n")
        if line.startswith(b"HTTP/1.1 "):  # the writer has failed: another answer stands here
            return chunks, line + end + data
        if not end:
            return None
        size = int(line, 16)
        if len(data) < size + 2:
            return None
        chunk, data = data[:size], data[size + 2 :]
        if not size:
            return chunks, data
        chunks.append(chunk)


def recorded_answers(data: bytes) -> list[Seen]:
    """Cut what was recorded; the client's address in it is as long as its Content-Length says.

    The head that libprocess writes into a stream that fails is left out.

    Raises:
        NotAnHttpAnswer: one answer stands within another.
    """
    rest = b""
    for length in (15, 14, 13):
        found, rest = answers(data.replace(CLIENT, b"-" * length))
        if not rest:
            return _without_second_head(found)
    raise NotAnHttpAnswer(repr(rest[:200]))


def play(address: tuple[str, int], exchange: Recorded, deadline: float) -> tuple[bytes, bool]:
    """Send what was sent.

    Returns:
        All that came back, and whether the server closed the connection.
    """
    expected = min(len(recorded_answers(answer.data)) for answer in exchange.answers)
    closes = all(answer.server_closed for answer in exchange.answers)
    with socket.create_connection(address, timeout=deadline) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got, closed = b"", False

        def read(seconds: float) -> bool:
            """Read once; whether there may be more."""
            nonlocal got, closed
            if closed or not select.select([connection], [], [], seconds)[0]:
                return False
            try:
                data = connection.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            got += data
            closed = not data
            return not closed

        for number, piece in enumerate(_sends(exchange)):
            if number:
                end = time.monotonic() + (_PAUSE if len(exchange.send) < 10 else _PAUSE / 20)
                while read(max(0.0, end - time.monotonic())):
                    pass
            if piece is None:
                connection.shutdown(socket.SHUT_WR)
                continue
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        while not closed:
            complete = not closes and _count(got) >= expected
            if not read(_SILENT if complete else deadline):
                break
    return got, closed


def _sends(exchange: Recorded) -> Iterator[bytes | None]:
    """What is sent in one go each; None closes the direction towards the host."""
    together = b""
    joined = False
    for piece in exchange.send:
        repeats = isinstance(piece, dict) and "repeat" in piece
        if together and not (joined or repeats):
            yield together
            together = b""
        if isinstance(piece, dict) and "half_close" in piece:
            yield from [together, None] if together else [None]
            together = b""
        else:
            together += piece_bytes(piece)
        joined = repeats
    if together:
        yield together


def _count(data: bytes) -> int:
    try:
        return len(answers(data)[0])
    except ValueError:
        return 1 << 30


def differences(exchange: Recorded, got: bytes, closed: bool) -> list[str]:
    """What a host did otherwise than any of the recorded outcomes; empty if nothing."""
    shortest: list[str] | None = None
    for recorded in exchange.answers:
        found = _differences(recorded.data, got)
        if closed != recorded.server_closed:
            found.append(f"closed: {closed}, recorded: {recorded.server_closed}")
        if shortest is None or len(found) < len(shortest):
            shortest = found
    return shortest or []


def _differences(recorded: bytes, got: bytes) -> list[str]:
    try:
        expected = recorded_answers(recorded)
        seen, rest = answers(got)
    except NotAnHttpAnswer as error:
        return [f"no answer: {error}"]
    if rest:
        return [f"not complete: {rest[:200]!r}"]
    if len(expected) != len(seen):
        return [f"{len(seen)} answers, recorded: {len(expected)}: {got[:200]!r}"]
    return [
        f"answer {number}: {text}"
        for number, (recorded, received) in enumerate(zip(expected, seen, strict=True), 1)
        for text in _compare(recorded, received)
    ]


def _without_second_head(expected: list[Seen]) -> list[Seen]:
    """The recorded answers without the head that libprocess writes into a stream that fails."""
    return [
        answer
        for before, answer in zip([None, *expected], expected, strict=False)
        if not (before and before.chunks and answer.body == b"500 Internal Server Error.")
    ]


def _compare(recorded: Seen, received: Seen) -> list[str]:
    if _refused_on_purpose(recorded, received):
        return []
    found = []
    if recorded.status != received.status:
        found.append(f"{received.status}, recorded: {recorded.status}")
    if [name for name, _ in recorded.headers] != [name for name, _ in received.headers]:
        found.append(f"{received.headers}, recorded: {recorded.headers}")
    own_words = received.get("Content-Type") == "application/problem+json"
    for name, value in recorded.headers:
        if name in ("Date", "Content-Length") or (
            name == "Content-Type" and (own_words or received.chunks)
        ):
            continue
        if received.get(name) != value:
            found.append(f"{name}: {received.get(name)}, recorded: {value}")
    if not own_words and recorded.body != b"<body>":
        found += _compare_bodies(recorded, received)
    return found


def _refused_on_purpose(recorded: Seen, received: Seen) -> bool:
    """Whether a value that is no text was refused, which the recording's handler took."""
    if received.get("Content-Type") != "application/problem+json" or "200" not in recorded.status:
        return False
    reason = json.loads(_plain(received))["type"].rpartition(":")[2]
    body = _plain(recorded)
    if reason == "bad-parameter":
        return b"\\u0000" in body or not _is_text(body) or b'"echo"' not in body
    return reason == "unknown-parameter" and _strange_keys(body)


def _strange_keys(body: bytes) -> bool:
    """Whether a handler was given keys that the table of these exchanges does not have."""
    try:
        query = json.loads(body)["query"]
    except (ValueError, KeyError):
        return True
    return any(key not in ("a", "A", "b") for key in query)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _plain(answer: Seen) -> bytes:
    if answer.get("Content-Encoding") == "gzip":
        return gzip.decompress(answer.body)
    return answer.body


def _compare_bodies(recorded: Seen, received: Seen) -> list[str]:
    if received.chunks or recorded.chunks:
        # Where one chunk ends and the next begins is for the pipe to say.
        output = received.body.partition(_RECORD)[0]
        if output != recorded.body:
            return [f"output {output!r:.200}, recorded: {recorded.body!r:.200}"]
        return []
    expected, found = _known_to_a_command(_plain(recorded)), _known_to_a_command(_plain(received))
    if expected != found:
        return [f"body {found!r:.300}, recorded: {expected!r:.300}"]
    return []


def _known_to_a_command(body: bytes) -> Any:
    """A body, without what only the recording's handlers could know."""
    try:
        told = json.loads(body.decode("utf-8", "surrogateescape"))
    except ValueError:
        return body
    if not isinstance(told, dict):
        return body
    return {
        name: value
        for name, value in told.items()
        if name not in ("headers", "client", "keepAlive", "path", "content_type")
    }


def paths(exchange: Recorded) -> list[str]:
    """The paths that an exchange asks for."""
    return [target.partition("?")[0] for target in _targets(exchange)]


def _targets(exchange: Recorded) -> list[str]:
    sent = b"".join(piece_bytes(piece) for piece in exchange.send).decode("latin-1")
    return re.findall(r"^[A-Z-]+ (\S*)", sent, re.MULTILINE)


def applies(exchange: Recorded) -> str:
    """Why an exchange can't be played against a host of commands; empty if it can."""
    for target in _targets(exchange):
        path = target.partition("?")[0]
        for start in OF_THE_HOST:
            if path.startswith(start):
                return f"{start} is of the host itself"
        for handler, why in NO_COMMAND.items():
            if re.match(rf"/packager/{re.escape(handler)}(/|$)", path):
                return f"/packager/{handler} {why}"
        if "jsonp=" in target:
            return ON_PURPOSE["jsonp"]
    try:
        recorded_answers(exchange.answers[0].data)
    except NotAnHttpAnswer:
        return ON_PURPOSE["within"]
    if any(piece_bytes(piece).startswith(b"CONNECT ") for piece in exchange.send):
        return ON_PURPOSE["CONNECT"]
    return ""
