"""Asks one host: documents whole, streams as they come, with limits for each.

A connection that is lost after the request went out says nothing of what became of it: that is
`Cut`, and only asking the host tells. One that was never made is `NotReached`: nothing was begun.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packager.base.errors import PackagerError, ProtocolError, Unavailable
from packager.base.optional_libraries import required_library

from rollout.core.registry import HostId
from rollout.hosts.streams import ExitRecord, Malformed, StreamReader

with required_library("hosts", extra="rollout"):
    import aiohttp

MAX_DOCUMENT_BYTES = 64 << 20
MAX_STREAM_BYTES = 256 << 20
MAX_WORDS_CHARACTERS = 2000
PIECE_BYTES = 1 << 16
PROBLEM = "application/problem+json"
Listener = Callable[[dict[str, Any]], None]


class NotReached(Unavailable):
    """No connection was made, so nothing was begun."""


class Cut(Unavailable):
    """The request went out, and its answer did not come, or not whole."""


class HostRefused(PackagerError):
    """The host's answer is an error. status: of HTTP. exit_code: of its command, if one ran.
    words: what it said for people."""

    exit_code = 69

    def __init__(self, host: HostId, status: int, code: int | None, words: str) -> None:
        super().__init__(f"{host}: {words or f'status {status}'}")
        self.status, self.code, self.words = status, code, words


@dataclass(frozen=True)
class Patience:
    """Seconds: for a connection; for a whole document; between two pieces of a stream; for all of a
    stream."""

    connect: float = 5.0
    answer: float = 60.0
    idle: float = 900.0
    stream: float | None = None


class HostClient:
    """Asks the host `host` in a session, which many share. headers: credentials, if it gets any."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        host: HostId,
        *,
        scheme: str = "http",
        headers: dict[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._session, self.host = session, host
        self._url = f"{scheme}://{host.address}"
        self._headers = headers or {}
        self._patience = patience or Patience()

    async def document(
        self, path: str, query: dict[str, str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        """The JSON document that the host answers with; with a body it is a POST. Raises
        NotReached, Cut, HostRefused, ProtocolError."""
        patience = self._patience
        limits = aiohttp.ClientTimeout(total=patience.answer, sock_connect=patience.connect)
        content = bytearray()
        await self._exchange(path, query, body, limits, content.extend, MAX_DOCUMENT_BYTES)
        try:
            document = json.loads(bytes(content))
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise ProtocolError(f"{self.host}: {path} is answered with no document")
        return document

    async def stream(
        self, path: str, query: dict[str, str], body: bytes, listener: Listener
    ) -> ExitRecord:
        """Ask for what takes its time; `listener` hears each event at once. Raises NotReached, Cut,
        HostRefused."""
        patience = self._patience
        limits = aiohttp.ClientTimeout(
            total=patience.stream, sock_connect=patience.connect, sock_read=patience.idle
        )
        reader = StreamReader()

        def take(piece: bytes) -> None:
            for event in reader.feed(piece):
                listener(event)

        try:
            await self._exchange(path, query, body, limits, take, MAX_STREAM_BYTES)
        except Malformed as reason:
            raise Cut(f"{self.host}: {path}: the stream was damaged: {reason}") from None
        ended = reader.ended
        if ended is None:
            raise Cut(f"{self.host}: {path}: the stream ended without saying how the command did")
        return ended

    async def _exchange(
        self,
        path: str,
        query: dict[str, str] | None,
        body: bytes | None,
        limits: aiohttp.ClientTimeout,
        take: Callable[[bytes], None],
        most: int,
    ) -> None:
        """Give the pieces of a success to `take`."""
        try:
            async with self._session.request(
                "GET" if body is None else "POST",
                self._url + path,
                params=query,
                data=body,
                headers=self._headers,
                timeout=limits,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    raise _refusal(self.host, answer, await answer.content.read(PIECE_BYTES))
                received = 0
                async for piece in answer.content.iter_any():
                    received += len(piece)
                    if received > most:
                        raise Cut(f"{self.host}: {path}: its answer has no end")
                    take(piece)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotReached(f"{self.host}: {error}") from None
        except TimeoutError:
            raise Cut(f"{self.host}: {path}: no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Cut(f"{self.host}: {path}: {error or type(error).__name__}") from None


def _refusal(host: HostId, answer: aiohttp.ClientResponse, body: bytes) -> HostRefused:
    code, words = None, ""
    if answer.content_type == PROBLEM:
        try:
            problem = json.loads(body)
            code, words = problem.get("exit_code"), problem.get("stderr") or problem.get("detail")
        except (ValueError, AttributeError):
            words = "its problem can't be read"
    elif answer.status == 404:
        words = "it has no such route: its table, or its provisioner, is older"
    shown = str(words)[:MAX_WORDS_CHARACTERS].strip()
    return HostRefused(host, answer.status, code if isinstance(code, int) else None, shown)
