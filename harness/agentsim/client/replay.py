"""`agentsim replay`: recorded exchanges against a host, and what it answers otherwise."""

from __future__ import annotations

import difflib
import socket
import struct
import sys
import time
from os import EX_DATAERR, EX_NOHOST, EX_NOINPUT, EX_UNAVAILABLE, EX_USAGE
from pathlib import Path
from typing import NoReturn

import click

from agentsim.client.connection import CallFailed, parse_url
from agentsim.client.terminal import tame
from agentsim.files.recording_format import (
    CLIENT,
    Answer,
    BadRecording,
    Recorded,
    normal,
    piece_bytes,
    read,
    same,
)

_PAUSE = 0.05  # between pieces, so that they arrive as pieces
_SETTLED = 0.05  # after all that is expected has come: is there more, does the server close?
_PATIENCE = 5.0  # for the first byte, beyond the time that the recording took
_QUIET = 0.5  # for more, likewise
_SHOWN_LINES = 40


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("url")
@click.option(
    "--only", metavar="TEXT", default="", help="Only exchanges whose name has this in it."
)
def replay_command(file: Path, url: str, only: str) -> None:
    """Play a recording (`agentsim serve --record FILE`) against the host at URL.

    One exchange after the other, each on a connection of its own and by no proxy; what differs is
    shown. The value of Date, seconds that commands took, request ids and the cuts between chunks
    may differ.

    Exits with 0 if all is the same, 1 if anything differs.
    """
    try:
        recorded = [item for item in read(file) if only in item.name]
    except OSError as error:
        _fail(EX_NOINPUT, f"{file}: can't be read: {error.strerror}")
    except BadRecording as error:
        _fail(EX_DATAERR, str(error))
    try:
        host = parse_url(url)
    except CallFailed as error:
        _fail(error.status, str(error))
    if host.scheme != "http":
        _fail(EX_USAGE, f"{url}: expected http://HOST:PORT, since bytes are compared")
    different = left_out = 0
    for item in recorded:
        if item.cut:
            left_out += 1
            click.echo(f"{tame(item.name)}: left out, the recording does not hold all of it")
            continue
        try:
            got = play(item, (host.host, host.port))
        except socket.gaierror as error:
            _fail(EX_NOHOST, f"{url}: {error.strerror}")
        except OSError as error:
            _fail(EX_UNAVAILABLE, f"{url}: {error.strerror or error}")
        if not any(same(want, got) for want in item.answers):
            different += 1
            for line in differences(item, got):
                click.echo(line)
    click.echo(
        f"{len(recorded) - different - left_out} of {len(recorded)} exchanges are the same"
        + (f", {different} differ" if different else "")
        + (f", {left_out} left out" if left_out else "")
    )
    sys.exit(1 if different else 0)


def _fail(status: int, text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(status)


def play(item: Recorded, address: tuple[str, int]) -> Answer:
    """Send what a recording's client sent, and take what comes back.

    Raises:
        OSError: there is no connection to be had.
    """
    with socket.create_connection(address, timeout=_PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = _Received(client)
        try:
            for index, piece in enumerate(item.send):
                if index:
                    received.until(time.monotonic() + _PAUSE)
                if isinstance(piece, dict) and "wait" in piece:
                    received.until(time.monotonic() + float(piece["wait"]))
                elif isinstance(piece, dict) and piece.get("half_close"):
                    client.shutdown(socket.SHUT_WR)
                elif isinstance(piece, dict) and piece.get("reset"):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return Answer(received.data, server_closed=False)
                else:
                    client.settimeout(_PATIENCE)
                    client.sendall(piece_bytes(piece))
        except (BrokenPipeError, ConnectionResetError):
            received.closed = True
        received.answer(item)
        return Answer(received.data, received.closed)


class _Received:
    """What a connection has brought so far."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._own = "{}:{}".format(*client.getsockname()[:2]).encode()
        self.data = b""
        self.closed = False

    def answer(self, item: Recorded) -> None:
        """Wait for the answer: until it is one that will do, or nothing comes any more."""
        deadline = time.monotonic() + item.seconds + _PATIENCE
        while not self.closed and time.monotonic() < deadline:
            if any(same(want, Answer(self.data, self.closed)) for want in item.answers):
                self.until(time.monotonic() + _SETTLED)
                return
            before = len(self.data)
            patience = item.seconds + _QUIET if self.data else deadline - time.monotonic()
            self._receive(patience)
            if before == len(self.data):
                return

    def until(self, moment: float) -> None:
        """Take what comes up to a moment."""
        while not self.closed and (left := moment - time.monotonic()) > 0:
            self._receive(left)

    def _receive(self, seconds: float) -> None:
        self._client.settimeout(max(seconds, 0.001))
        try:
            data = self._client.recv(1 << 20)
        except TimeoutError:
            return
        except ConnectionResetError:
            data = b""
        self.closed = not data
        self.data += data.replace(self._own, CLIENT)


def differences(item: Recorded, got: Answer) -> list[str]:
    """What differs, for people: lines with - as recorded, with + as it came now."""
    want = item.answers[0]
    lines = [f"{tame(item.name)}: differs"]
    if want.server_closed != got.server_closed:
        before, now = ("closed" if answer.server_closed else "left open" for answer in (want, got))
        lines.append(f"  the connection was {before} by the server, and now is {now}")
    diff = list(
        difflib.unified_diff(_lines(want.data), _lines(got.data), n=1, lineterm="", fromfile="")
    )[2:]
    lines += [f"  {line}" for line in diff[:_SHOWN_LINES]]
    if len(diff) > _SHOWN_LINES:
        lines.append(f"  … and {len(diff) - _SHOWN_LINES} more lines")
    return lines


def _lines(data: bytes) -> list[str]:
    text = normal(data).decode("utf-8", "backslashreplace")
    return [tame(line)[:500] for line in text.replace("\r\n", "\n").split("\n")]
