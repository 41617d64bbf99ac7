"""Keeping every exchange: what came in and what went out, byte for byte, in a file for `replay`."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import stat
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

from agentsim.files.recording_format import entry
from agentsim.simulator.connection import Connection, Server
from agentsim.simulator.exchange import Exchange
from agentsim.simulator.log import Log

#: Bytes of one exchange, in either direction, that a recording holds at the most.
MAX_EXCHANGE_BYTES = 16 << 20
_END = b"\n]\n"
_AUTHORIZATION = re.compile(rb"(?im)^Authorization[ \t]*:.*\r?\n(?:[ \t].*\r?\n)*")


class Recorder:
    """Writes a recording; the file is whole JSON after each exchange.

    Args:
        path: made anew, for its owner only: what was said may be secret. A link is not followed.
        log: told if the file can't be written any more.

    Raises:
        OSError: the file can't be made.
    """

    def __init__(self, path: Path, log: Log) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self._file.close()
            raise OSError(errno.EINVAL, "it is not a regular file")
        os.fchmod(descriptor, 0o600)  # before there is anything in it
        os.ftruncate(descriptor, 0)
        self._file.write(b"[" + _END)
        self._log = log
        self._count = 0

    def keep(
        self, sent: list[bytes], answer: bytes, server_closed: bool, seconds: float, cut: bool
    ) -> None:
        """Add an exchange."""
        line = b"".join(sent)[:200].split(b"\r\n")[0].rpartition(b" HTTP/")[0]
        self._count += 1
        name = f"{self._count} {line.decode('latin-1')}".rstrip()
        told = [_AUTHORIZATION.sub(b"", b"".join(sent))]
        text = json.dumps(entry(name, told, answer, server_closed, seconds, cut))
        separator = b",\n" if self._count > 1 else b"\n"
        try:
            self._file.seek(-len(_END), os.SEEK_END)
            self._file.write(separator + text.encode() + _END)
        except OSError as error:
            self._log.say_once(f"the recording can't be written: {error.strerror}")


class RecordingConnection(Connection):
    """A connection whose bytes are kept.

    An exchange is what stands between two moments at which everything is answered; requests that
    were pipelined are one exchange.
    """

    def __init__(self, server: Server, recorder: Recorder) -> None:
        super().__init__(server)
        self._recorder = recorder
        self._client_closed = False
        self._begin()

    def _begin(self) -> None:
        self._in: list[bytes] = []
        self._out: list[bytes] = []
        self._in_size = self._out_size = 0
        self._cut = False
        self._started = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport = cast(asyncio.Transport, _Tap(self._transport, self._went_out))

    def data_received(self, data: bytes) -> None:
        if self._out and not (self._exchanges or self._receiving or self._parser.unread):
            self._keep(server_closed=False)
        self._in_size += len(data)
        if self._in_size <= MAX_EXCHANGE_BYTES:
            self._in.append(data)
        else:
            self._cut = True
        super().data_received(data)

    def eof_received(self) -> bool:
        self._client_closed = True
        return super().eof_received()

    def connection_lost(self, exception: Exception | None) -> None:
        super().connection_lost(exception)
        if self._in:
            self._keep(server_closed=not self._client_closed and exception is None)

    def send_file(self, exchange: Exchange, file: BinaryIO, size: int) -> None:
        # Its bytes go from file to socket without being seen here.
        if self._out_size + size <= MAX_EXCHANGE_BYTES:
            self._went_out_later(exchange, os.pread(file.fileno(), size, 0))
        else:
            self._cut = True
        super().send_file(exchange, file, size)

    def _went_out_later(self, exchange: Exchange, data: bytes) -> None:
        if self._exchanges and self._exchanges[0] is exchange:
            self._went_out(data)
        else:
            self._cut = True  # behind another answer: its place among the bytes is not known yet

    def _went_out(self, data: bytes) -> None:
        self._out_size += len(data)
        if self._out_size <= MAX_EXCHANGE_BYTES:
            self._out.append(bytes(data))
        else:
            self._cut = True

    def _keep(self, *, server_closed: bool) -> None:
        seconds = time.monotonic() - self._started
        self._recorder.keep(self._in, b"".join(self._out), server_closed, seconds, self._cut)
        self._begin()


class _Tap:
    """A transport that shows what is written to it."""

    def __init__(self, transport: Any, see: Any) -> None:
        self._transport = transport
        self._see = see

    def write(self, data: bytes) -> None:
        self._see(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
