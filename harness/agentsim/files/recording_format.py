"""Recorded exchanges: the file that `serve --record` writes and `replay` plays.

A JSON list of objects:

    group, name     for people
    send            what the client sent, in pieces: a string stands for its Latin-1 bytes;
                    {"base64": …}; {"repeat": [string, times]}; {"wait": seconds};
                    {"half_close": true}; {"reset": true}
    answer          all that came back: {"text": …} or {"base64": …}; the value of Date is <date>;
                    a text that ends in <body> says nothing of the body
    server_closed   whether the server closed the connection
    seconds         how long it took (optional)
    alternatives    other answers that will do as well: [{answer, server_closed}] (optional)
    cut             true where there was more than a file is to hold: not to be played (optional)
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_DATE: Final = re.compile(rb"(?<=\r\nDate: )[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT")
_LENGTH: Final = re.compile(rb"(?<=\r\nContent-Length: )\d+")
_HEAD_LENGTH: Final = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_SECONDS: Final = re.compile(rb'"seconds":\d+\.\d+')
_REQUEST_ID: Final = re.compile(rb'"request_id":"[0-9a-f]{16}"')
_ANY_BODY: Final = b"<body>"
#: Stands for the client's own address, where an answer repeats it.
CLIENT: Final = b"<client>"


class BadRecording(ValueError):
    """A file that is no recording; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that came back on one connection."""

    data: bytes
    server_closed: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange of a recording.

    Attributes:
        name: the group and the name.
        send: the pieces, as in the file.
        answers: the one that was seen first, then the others that will do.
        seconds: how long it took, 0 if that is not known.
        cut: whether the file does not hold all of it.
    """

    name: str
    send: list[Any]
    answers: list[Answer]
    seconds: float = 0.0
    cut: bool = False


def read(path: Path) -> list[Recorded]:
    """The exchanges of a file.

    Raises:
        OSError: it can't be read.
        BadRecording: it is no recording.
    """
    try:
        items = json.loads(path.read_bytes())
        return [
            Recorded(
                name=f"{item.get('group', '')}/{item['name']}",
                send=[_checked(piece) for piece in item["send"]],
                answers=[
                    Answer(_data(alternative["answer"]), bool(alternative["server_closed"]))
                    for alternative in (item, *item.get("alternatives", ()))
                ],
                seconds=float(item.get("seconds", 0)),
                cut=bool(item.get("cut")),
            )
            for item in items
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecording(f"{path}: not a recording: {error!r}") from None


def _checked(piece: Any) -> Any:
    if isinstance(piece, str):
        piece.encode("latin-1")
    elif not isinstance(piece, dict):
        raise TypeError(f"not a piece: {piece!r}")
    return piece


def _data(answer: dict[str, str]) -> bytes:
    if "base64" in answer:
        return base64.b64decode(answer["base64"])
    return answer["text"].encode()


def piece_bytes(piece: Any) -> bytes:
    """The bytes of a piece that is sent."""
    if isinstance(piece, str):
        return piece.encode("latin-1")
    if "base64" in piece:
        return base64.b64decode(piece["base64"])
    if "repeat" in piece:
        text, times = piece["repeat"]
        return bytes(text.encode("latin-1")) * int(times)
    return b""


def entry(
    name: str, sent: list[bytes], answer: bytes, server_closed: bool, seconds: float, cut: bool
) -> dict[str, Any]:
    """One exchange as it stands in a file."""
    answer = _DATE.sub(b"<date>", answer)
    try:
        body = {"text": answer.decode()}
    except UnicodeDecodeError:
        body = {"base64": base64.b64encode(answer).decode()}
    found: dict[str, Any] = {
        "group": "recorded",
        "name": name,
        "send": [piece.decode("latin-1") for piece in sent],
        "answer": body,
        "server_closed": server_closed,
        "seconds": round(seconds, 3),
    }
    return {**found, "cut": True} if cut else found


def same(want: Answer, got: Answer) -> bool:
    """Whether two answers differ in nothing but what differs every time."""
    if want.server_closed != got.server_closed:
        return False
    expected = want.data
    if expected.endswith(_ANY_BODY):
        expected = expected.removesuffix(_ANY_BODY)
        head = got.data[: got.data.find(b"\r\n\r\n") + 4]
        return _LENGTH.sub(b"<n>", normal(expected)) == _LENGTH.sub(b"<n>", normal(head))
    return normal(expected) == normal(got.data)


def normal(data: bytes) -> bytes:
    """An answer without what differs every time, and with its bodies laid open.

    Masked are the Date, the seconds that a command took, request ids that the host made up (and
    the length of a body that had one of these). Chunks are joined, since where they are cut is
    a matter of time; gzip is undone.
    """
    result = b""
    data = _DATE.sub(b"<date>", data)
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"HTTP/"):
            return result + data
        head += b"\r\n"
        body, data = _body(head, rest)
        if b"\r\nContent-Encoding: gzip\r\n" in head:
            body = _inflated(body)
        masked = _REQUEST_ID.sub(b'"request_id":"<id>"', _SECONDS.sub(b'"seconds":<s>', body))
        if masked != body or CLIENT in body:
            head = _LENGTH.sub(b"<n>", head)
        result += head + b"\r\n" + masked
    return result


def _body(head: bytes, rest: bytes) -> tuple[bytes, bytes]:
    """The body that a head announces, and what comes behind it."""
    if b"\r\nTransfer-Encoding: chunked\r\n" in head:
        return _chunks(rest)
    length = _HEAD_LENGTH.search(head)
    if length is None:
        return rest, b""
    size = int(length[1])
    return rest[:size], rest[size:]


def _chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, newline, after = rest.partition(b"\r\n")
        try:
            size = int(line, 16) if newline else -1
        except ValueError:
            size = -1
        if size < 0 or len(after) < size + 2:
            return body + b"<cut>" + rest, b""
        if size == 0:
            return body + b"<last chunk>", after[2:]
        body += after[:size]
        rest = after[size + 2 :]


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompress(body, zlib.MAX_WBITS | 16)
    except zlib.error:
        return body
