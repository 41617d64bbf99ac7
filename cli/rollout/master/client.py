"""A client of the Mesos master that leads.

Redirects are followed by hand, and only to masters that were named: requests have credentials in
them. A list of agents is believed only between two answers of one and the same master that has
recovered: before it has, it lists nobody, with status 200.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Any

from packager.base.errors import (
    ConfigError,
    Denied,
    PackagerError,
    ProtocolError,
    Temporary,
    Unavailable,
)
from packager.base.optional_libraries import required_library

from rollout.core.registry import Registry
from rollout.master.election import Election
from rollout.master.listing import parse_listing
from rollout.master.places import MasterPlace, named

with required_library("masters", extra="rollout"):
    import aiohttp

MAX_BODY_BYTES = 256 << 20  # unpacked; a thousand agents have 1.2 MB
MAX_HOPS = 3
PIECE_BYTES = 1 << 16
MAX_SHOWN_CHARACTERS = 200
NOT_YET = (404, 503)  # a master that has just begun, has not recovered, or knows no leader
JSON = "application/json"  # the master refuses it with a charset


@dataclass(frozen=True)
class Sighting:
    """What the leader listed. master_id: of this leader; another one is another failover."""

    master_id: str
    place: MasterPlace
    registry: Registry


class Reactivation(StrEnum):
    """What became of a reactivation."""

    DONE = "done"  # also of an agent that is unreachable, which the master answers with 409
    NOT_NEEDED = "not-needed"  # it is active, or not known any more
    STILL_DRAINING = "still-draining"


class CallRefused(PackagerError):
    """The master does not do what it was asked for; its words are in the message."""

    exit_code = 69


@dataclass(frozen=True)
class Limits:
    """Seconds: for a connection, and for a whole answer."""

    connect: float = 5.0
    answer: float = 30.0


class MasterClient:
    """Asks whoever leads. masters: the URLs of all of them, or their election.

    credentials: principal and secret. tls: for https. Use it as a context manager.
    """

    def __init__(
        self,
        masters: tuple[MasterPlace, ...] | Election,
        *,
        credentials: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        user_agent: str = "rollout",
    ) -> None:
        self._masters = masters
        self._leader: MasterPlace | None = None
        self._tls = tls
        self._limits = limits or Limits()
        self._headers = {"User-Agent": user_agent, "Accept": JSON, "Accept-Encoding": "gzip"}
        if credentials:
            secret = b64encode(":".join(credentials).encode()).decode()
            self._headers["Authorization"] = f"Basic {secret}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> MasterClient:
        timeout = aiohttp.ClientTimeout(
            total=self._limits.answer, sock_connect=self._limits.connect
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls or True),
            timeout=timeout,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()
        if isinstance(self._masters, Election):
            await self._masters.close()

    async def sight(self) -> Sighting:
        """The agents that the leader lists. Raises Unavailable (nobody leads, or answers),
        Temporary (whoever leads has not recovered, or has changed meanwhile: ask again), Denied,
        ProtocolError."""
        before = await self._master_id()
        place, (status, body) = await self._ask("GET", "/slaves", None)
        if status != 200:
            raise _refusal(place, status, body)
        if await self._master_id() != before:
            raise Temporary("the leading master has changed; ask again")
        return Sighting(before, place, parse_listing(body))

    async def deactivate(self, agent_id: str) -> None:
        """Let the agent get no more tasks; one that gets none already is no error. Raises as
        `sight` does, CallRefused."""
        await self._call("DEACTIVATE_AGENT", {"agent_id": {"value": agent_id}})

    async def drain(self, agent_id: str, grace: float) -> None:
        """Let the agent get no more tasks, and end those that it has; they have `grace` seconds.
        Raises as `deactivate` does."""
        # Whole seconds, in an object: other forms are taken for none, which kills at once.
        period = {"seconds": ceil(grace)}
        asked = {"agent_id": {"value": agent_id}, "max_grace_period": period}
        await self._call("DRAIN_AGENT", asked)

    async def reactivate(self, agent_id: str) -> Reactivation:
        """Let the agent get tasks again. Raises as `deactivate` does."""
        try:
            await self._call("REACTIVATE_AGENT", {"agent_id": {"value": agent_id}})
        except _Refused as refused:
            words = refused.words
            if refused.status == 409 and "removed while processing" in words:
                return Reactivation.DONE
            if refused.status == 400 and "not deactivated" in words:
                return Reactivation.NOT_NEEDED
            if refused.status == 400 and "DRAINING" in words:
                return Reactivation.STILL_DRAINING
            raise
        return Reactivation.DONE

    async def _master_id(self) -> str:
        """The id of the leader; that it tells one says that it has recovered."""
        place, (status, body) = await self._ask("POST", "/api/v1", {"type": "GET_MASTER"})
        if status in NOT_YET:
            raise Temporary(f"the master {place} has not recovered yet")
        if status != 200:
            raise _refusal(place, status, body)
        try:
            master_id = json.loads(body)["get_master"]["master_info"]["id"]
        except (ValueError, KeyError, TypeError):
            master_id = None
        if not isinstance(master_id, str):
            raise ProtocolError(f"{place} answers, but not as a Mesos master does")
        return master_id

    async def _call(self, kind: str, asked: dict[str, Any]) -> None:
        document = {"type": kind, kind.lower(): asked}
        place, (status, body) = await self._ask("POST", "/api/v1", document)
        if status in NOT_YET:
            raise Temporary(f"the master {place} has not recovered yet")
        if status in (400, 409):
            raise _Refused(place, status, _words(body))
        if status != 200:
            raise _refusal(place, status, body)

    async def _ask(
        self, method: str, path: str, document: dict[str, Any] | None
    ) -> tuple[MasterPlace, tuple[int, bytes]]:
        """Who leads, and its answer. Tries every master that may lead before it gives up."""
        if isinstance(self._masters, Election):
            masters = await self._masters.masters()
            candidates = masters[:1]
        else:
            masters = self._masters
            first = [self._leader] if self._leader in masters else []
            candidates = tuple(dict.fromkeys((*filter(None, first), *masters)))
        reasons: list[str] = []
        for candidate in candidates:
            place = candidate
            for _ in range(MAX_HOPS):
                try:
                    status, location, body = await self._send(method, place, path, document)
                except _NoAnswer as reason:
                    reasons.append(f"{place}: {reason}")
                    break
                if status == 307:
                    try:
                        place = named(location, place, masters)
                    except ProtocolError as stranger:
                        if not isinstance(self._masters, Election):
                            raise
                        # For some seconds it points to one that has just left the election.
                        reasons.append(str(stranger))
                        break
                    continue
                if status == 503 and b"No leader" in body:
                    reasons.append(f"{place}: it knows no leader")
                    break
                self._leader = place
                return place, (status, body)
            else:
                reasons.append(f"{candidate}: its redirects lead in a circle")
        self._leader = None
        raise Unavailable("no master leads: " + "; ".join(reasons))

    async def _send(
        self, method: str, place: MasterPlace, path: str, document: dict[str, Any] | None
    ) -> tuple[int, str, bytes]:
        assert self._session is not None, "it is a context manager"
        data = None if document is None else json.dumps(document).encode()
        headers = {} if data is None else {"Content-Type": JSON}
        # A master that is asked by its own path redirects to the same with /master before it.
        url = f"{place.url}/master{path}"
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as answer:
                body = bytearray()
                async for piece in answer.content.iter_chunked(PIECE_BYTES):
                    body += piece
                    if len(body) > MAX_BODY_BYTES:
                        raise ProtocolError(f"{place}: its answer has no end")
                return answer.status, answer.headers.get("Location", ""), bytes(body)
        except aiohttp.ClientSSLError as error:
            raise ConfigError(f"{place}: TLS: {error}") from error
        except TimeoutError:
            raise _NoAnswer("it does not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _NoAnswer(str(error) or type(error).__name__) from None


class _NoAnswer(Exception):
    """A master that may be dead; the next one is asked."""


class _Refused(CallRefused):
    def __init__(self, place: MasterPlace, status: int, words: str) -> None:
        super().__init__(f"the master {place} refuses it ({status}): {words}")
        self.status, self.words = status, words


def _refusal(place: MasterPlace, status: int, body: bytes) -> PackagerError:
    if status == 401:
        return Denied(f"the master {place} wants to know who asks: give credentials that it knows")
    if status == 403:
        return Denied(f"the master {place} forbids it to this principal")
    if status in NOT_YET:
        return Temporary(f"the master {place} has not recovered yet")
    return ProtocolError(f"the master {place} answers with status {status}: {_words(body)}")


def _words(body: bytes) -> str:
    text = body[:MAX_SHOWN_CHARACTERS].decode(errors="replace")
    return text if text.isprintable() else ascii(text)


async def sight_patiently(client: MasterClient, seconds: float, interval: float = 1.0) -> Sighting:
    """`sight`, again until a master leads that has recovered. Raises its error after `seconds`."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds
    while True:
        try:
            return await client.sight()
        except (Unavailable, Temporary):
            if loop.time() + interval > limit:
                raise
        await asyncio.sleep(interval)
