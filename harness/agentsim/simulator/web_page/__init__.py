"""The page at `/`, for a browser only: a real agent has none, and answers 404 there.

One document with its script and its style inside, and a feed of what happens, both at `/`: which of
them a request wants, or neither, its Accept header tells. So every other request finds what a real
agent serves.

The page must not give other sites a way in. It adds nothing that changes anything: it runs routes
by requests to the routes themselves. Both answer only to a Host that is an address, localhost, the
one that is listened on or one that is allowed, so that no foreign name can be pointed here (DNS
rebinding); the feed not to pages of other sites, as no route does, and only with credentials where
the routes ask for them; the page can't be framed; its policy (CSP) lets nothing run or load but its
own script and style; and what requests and commands said is only ever put there as text.
"""

from __future__ import annotations

import json
from typing import Any

from agentsim.core.route_description import describe
from agentsim.core.route_table import Route
from agentsim.core.value_types import Boolean, Enum, Integer
from agentsim.simulator.agent import Agent
from agentsim.simulator.exchange import (
    ClientConnection,
    DocumentExchange,
    Exchange,
    TextExchange,
)
from agentsim.simulator.metrics import Counters
from agentsim.simulator.recent_activity import RecentActivity
from agentsim.simulator.web_page.document import make_document
from agentsim.wire.basic_auth import challenge
from agentsim.wire.request_parser import Request

_NDJSON = "application/x-ndjson"
_INTERVAL_SECONDS = 0.2
#: A reader that is so many bytes behind gets no more until it has caught up.
_MAX_UNSENT_BYTES = 1 << 20


class Page:
    """Answers at `/`.

    Args:
        agent: whose routes are shown.
        activity, counters: what is shown of its work.
    """

    def __init__(self, agent: Agent, activity: RecentActivity, counters: Counters) -> None:
        self.agent = agent
        self.activity = activity
        self.counters = counters
        self._document, headers = make_document(__package__)
        self._headers = headers

    def exchange(self, connection: ClientConnection, request: Request) -> Exchange | None:
        """Who answers a request that no route takes, None if it is not for the page."""
        headers = request.headers
        if request.method != "GET" or request.path != b"/":
            return None
        accept = headers.get(b"accept", b"")
        is_own = self.agent.is_own_name(headers.get(b"host", b""))
        if accept.startswith(b"text/html"):
            if not is_own:
                return None
            return DocumentExchange(connection, request, 200, self._headers, self._document)
        if accept != _NDJSON.encode():
            return None
        if refused := self.agent.refuse_other_sites(connection, request):
            return refused
        # Nobody types what the script asks for, so that `none` is no request of the page either.
        site = headers.get(b"sec-fetch-site", b"same-origin")
        if not is_own or site != b"same-origin":
            return None
        if not self.agent.admits(headers):
            words = "401 Unauthorized."
            return TextExchange(connection, request, 401, words, challenge("agentsim"))
        return Feed(connection, request, self)

    def routes(self) -> list[dict[str, Any]]:
        """The routes as the script wants them."""
        return [_shown(route) for table in self.agent.tables for route in table.routes]


class Feed(Exchange):
    """A stream of NDJSON: everything first, then what changes, until the reader leaves."""

    __slots__ = ("_page", "_tables", "_version")

    def __init__(self, connection: ClientConnection, request: Request, page: Page) -> None:
        super().__init__(connection, request)
        self._page = page
        self._version = -1
        self._tables: list[Any] = []

    def on_end(self) -> None:
        self.begin_stream(200, [("Content-Type", _NDJSON), ("Cache-Control", "no-store")])
        self._tell()

    def _tell(self) -> None:
        if self.connection.closed:
            return
        page = self._page
        event: dict[str, Any] = {}
        if page.agent.tables != self._tables:
            self._tables = list(page.agent.tables)
            event["routes"] = page.routes()
        if page.activity.version != self._version and self.connection.unsent < _MAX_UNSENT_BYTES:
            event["requests"] = list(page.activity.since(self._version))
            event["counters"] = dict(page.counters.snapshot(page.agent))
            self._version = page.activity.version
        if event:
            self.stream(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        page.agent.loop.call_later(_INTERVAL_SECONDS, self._tell)


def _shown(route: Route) -> dict[str, Any]:
    description = describe(route)
    shown = description.as_json()
    parameters = []
    for parameter, words in zip(route.parameters.values(), description.parameters, strict=True):
        kind: dict[str, Any] = {"input": "text"}
        match parameter.type:
            case Integer(minimum=minimum, maximum=maximum):
                kind = {"input": "integer", "minimum": minimum, "maximum": maximum}
            case Boolean():
                kind = {"input": "boolean"}
            case Enum(values=values):
                kind = {"input": "enum", "values": [v.decode("utf-8") for v in values]}
        parameters.append(
            {
                "name": words.name,
                "in": words.place,
                "type": words.type,
                "required": words.required,
                "help": words.help,
                **kind,
            }
        )
    return {**shown, "parameters": parameters, "stdin": route.stdin, "content_type": route.type}
