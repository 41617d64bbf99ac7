"""The page of a cluster, for a browser only, at 127.0.0.1 and the port of the agents.

Agents by zone and state, a search among them, and the last requests to their routes. As the page of
one agent it changes nothing, answers only to own names and to itself, can't be framed, and loads
nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from agentsim.cluster.control import described
from agentsim.cluster.member_agents import MemberAgents
from agentsim.core.access import is_own_name
from agentsim.core.outcome import Outcome
from agentsim.simulator.command_exchange import CommandExchange
from agentsim.simulator.exchange import ClientConnection, DocumentExchange, Exchange
from agentsim.simulator.web_page.document import make_document
from agentsim.wire.request_parser import Request

_NDJSON: Final = "application/x-ndjson"
_INTERVAL_SECONDS: Final = 0.5
_MAX_UNSENT_BYTES: Final = 1 << 20
_KEPT: Final = 100


class ClusterActivity:
    """The last requests to the routes of all agents."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def observer(self, hostname: str) -> RouteObserver:
        """An observer of the agent of that name."""
        return RouteObserver(hostname, self._see)

    def _see(self, request: dict[str, Any]) -> None:
        self.count += 1
        self._kept.append(request)

    def since(self, count: int) -> list[dict[str, Any]]:
        """Those after so many first ones, as far as they are kept."""
        new = min(self.count - count, len(self._kept))
        return list(self._kept)[len(self._kept) - new :] if new else []


class RouteObserver:
    """Is told of the requests to one agent."""

    __slots__ = ("_hostname", "_see")

    def __init__(self, hostname: str, see: Callable[[dict[str, Any]], None]) -> None:
        self._hostname = hostname
        self._see = see

    def request(self, exchange: Exchange, gone: bool) -> None:  # noqa: ARG002
        """An answer was sent, or its client went away before."""
        if isinstance(exchange, CommandExchange):
            self._see(
                {
                    "hostname": self._hostname,
                    "method": exchange.request.method,
                    "path": exchange.request.path.decode("utf-8", "backslashreplace"),
                    "status": exchange.status,
                    "seconds": round(time.monotonic() - exchange.arrived, 3),
                }
            )

    def invocation(self, exchange: CommandExchange, outcome: Outcome, size: int) -> None:
        """A command has ended, could not be started, or can't be killed."""

    def late_exit(self, exchange: CommandExchange) -> None:
        """A command that could not be killed has ended by itself."""


class ClusterPage:
    """Answers at `/`.

    Args:
        loop: the event loop.
        agents: that are shown.
        activity: their last requests.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, agents: MemberAgents, activity: ClusterActivity
    ) -> None:
        self.loop = loop
        self.agents = agents
        self.activity = activity
        self._document, self._headers = make_document(__package__)

    def exchange(self, connection: ClientConnection, request: Request) -> Exchange | None:
        """Who answers a request, None if it is not for the page."""
        headers = request.headers
        if request.method != "GET" or request.path != b"/":
            return None
        if not is_own_name(headers.get(b"host", b""), ()):
            return None
        accept = headers.get(b"accept", b"")
        if accept.startswith(b"text/html"):
            return DocumentExchange(connection, request, 200, self._headers, self._document)
        site = headers.get(b"sec-fetch-site", b"same-origin")
        if accept != _NDJSON.encode() or site != b"same-origin":
            return None
        return _Feed(connection, request, self)


class _Feed(Exchange):
    """A stream of NDJSON: everything first, then what changes, until the reader leaves."""

    __slots__ = ("_count", "_page", "_told")

    def __init__(self, connection: ClientConnection, request: Request, page: ClusterPage) -> None:
        super().__init__(connection, request)
        self._page = page
        self._told: dict[int, dict[str, Any]] = {}
        self._count = max(0, page.activity.count - _KEPT)

    def on_end(self) -> None:
        self.begin_stream(200, [("Content-Type", _NDJSON), ("Cache-Control", "no-store")])
        self._tell()

    def _tell(self) -> None:
        if self.connection.closed:
            return
        page = self._page
        if self.connection.unsent < _MAX_UNSENT_BYTES:
            event: dict[str, Any] = {}
            changed = []
            for agent in page.agents:
                told = described(agent)
                if self._told.get(agent.number) != told:
                    self._told[agent.number] = told
                    changed.append(told)
            if changed:
                event["agents"] = changed
            if requests := page.activity.since(self._count):
                event["requests"] = requests
                self._count = page.activity.count
            if event:
                self.stream(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        page.loop.call_later(_INTERVAL_SECONDS, self._tell)
