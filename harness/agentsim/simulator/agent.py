"""What the simulated agent serves, and who answers a request.

The order of the checks is libprocess's: a path that is none, messages between actors, `/..`, the
process, the longest route, authentication, and only then the route's own concerns.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Protocol

from agentsim.core import answer as answers
from agentsim.core.environment import base_environment
from agentsim.core.query_string import unescape
from agentsim.core.route_match import Match, MethodNotAllowed, match
from agentsim.core.route_table import Route, Table
from agentsim.run.concurrency_limit import Slots
from agentsim.run.spool import Spool
from agentsim.simulator.command_exchange import CommandExchange, Output
from agentsim.simulator.connection import Connection, Exchange
from agentsim.wire.basic_auth import authenticate, challenge
from agentsim.wire.request_parser import Request

#: Processes of libprocess itself that take messages.
PROCESSES = frozenset((b"help", b"logging", b"metrics", b"profiler", b"system", b"__processes__"))
_REQUEST_ID = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Observer(Protocol):
    """Whoever is told what happens: the log, the counters, the page."""

    def request(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""

    def invocation(self, exchange: CommandExchange, outcome: answers.Outcome, size: int) -> None:
        """A command has ended, or could not be started; it has written `size` bytes."""


class Served:
    """A route table that is served, and what is shared by its requests.

    A table that takes another's place takes over the places of the routes that both have, so that
    the commands that run already count.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        table: Table,
        overrides: Mapping[str, str],
        former: Served | None = None,
    ) -> None:
        self.table = table
        self.environment = base_environment(table, overrides)
        self._slots: dict[int, Slots] = {}
        for route in table.routes:
            policy = (route.concurrency, route.queue_length, route.queue_seconds)
            known = former.slots_at(route) if former is not None else None
            if known is None:
                known = Slots(loop, *policy)
            else:
                known.adjust(*policy)
            self._slots[id(route)] = known
        self._limits = {id(route): _limits(route) for route in table.routes}

    def slots_at(self, route: Route) -> Slots | None:
        """The places of this table's route with the path and the methods of `route`, if any."""
        for own in self.table.routes:
            if (own.path, own.methods) == (route.path, route.methods):
                return self._slots[id(own)]
        return None

    def slots(self, route: Route) -> Slots:
        """The places of a route of this table."""
        return self._slots[id(route)]

    def limits(self, route: Route) -> Mapping[str, int]:
        """The limits that a route of this table sets."""
        return self._limits[id(route)]


def _limits(route: Route) -> dict[str, int]:
    given = {field.name: getattr(route.limits, field.name) for field in fields(route.limits)}
    return {name: value for name, value in given.items() if value is not None}


class Agent:
    """The simulated agent.

    Args:
        loop: the event loop.
        tables: the route tables to serve; no two of one process.
        spool: where bodies and output go that do not fit in memory.
        credentials: secrets by principal, for all realms; empty means that no realm is guarded, as
            in an agent without authenticators.
        environment: the host's own entries for the commands' environments.
        observers: told of every request and invocation.

    Attributes:
        others: asked in turn who answers a path that no table has; the first that knows does.
        new_exchange: makes the exchange of a request that a route takes.
        tap: if set, is shown each invocation as it starts and may stand between it and whoever
            takes its output.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tables: Sequence[Table],
        spool: Spool,
        credentials: dict[bytes, bytes],
        environment: Mapping[str, str],
        observers: Sequence[Observer],
    ) -> None:
        self.loop = loop
        self.spool = spool
        self.connections: set[Connection] = set()
        self.running: set[CommandExchange] = set()
        self._claimed: set[str] = set()
        self.waiting: set[CommandExchange] = set()
        self.closing = False
        self._credentials = credentials
        self._environment = environment
        self._observers = tuple(observers)
        self.others: list[Callable[[Connection, Request], Exchange | None]] = []
        self.new_exchange: Callable[..., CommandExchange] = CommandExchange
        self.tap: Callable[[CommandExchange, Output], Output] | None = None
        self._served = {table.process: Served(loop, table, environment) for table in tables}
        self.tables = [served.table for served in self._served.values()]
        self._closed: asyncio.Future[None] | None = None

    def exchange(self, connection: Connection, request: Request) -> Exchange:
        """Find who answers a request.

        Args:
            connection: where it came from.
            request: its head.
        """
        path, headers = request.path, request.headers
        if not path.startswith(b"/"):
            return _text(connection, request, 400, "Request URL path must start with '/'")
        if request.method == "POST" and (
            b"libprocess-from" in headers
            or headers.get(b"user-agent", b"").startswith(b"libprocess/")
        ):
            return MessageExchange(connection, request, self)
        found = match(self.tables, request.method, path)
        if isinstance(found, Match):
            realm = found.route.realm
        elif isinstance(found, MethodNotAllowed):
            realm = found.realm
        else:
            for other in self.others:
                exchange = other(connection, request)
                if exchange is not None:
                    return exchange
            return _text(connection, request, 404, "404 Not Found.")
        principal = None
        if realm is not None and self._credentials:
            proven = authenticate(headers, self._credentials)
            if proven is None:
                return _text(connection, request, 401, "401 Unauthorized.", challenge(realm))
            principal = os.fsdecode(proven)
        if isinstance(found, MethodNotAllowed):
            answer = answers.method_not_allowed(found.allowed, request.method)
            exchange = Exchange(connection, request)
            exchange.answer(answer.status, answer.headers, answer.body or b"")
            return exchange
        route = found.route
        return self.new_exchange(
            connection,
            request,
            self,
            self._served[route.process],
            route,
            found.rest,
            _request_id(headers),
            principal,
        )

    def admits(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a request may go where a realm is guarded."""
        return not self._credentials or authenticate(headers, self._credentials) is not None

    def places(self, route: Route) -> Slots:
        """The places of a route that is served."""
        return self._served[route.process].slots(route)

    def replace(self, former: str, table: Table) -> None:
        """Serve a table from the next request on; what runs goes on by the rules it began with.

        Args:
            former: the process id of the table that goes.
            table: the one that comes; no other table may have its process id.
        """
        known = self._served.pop(former)
        self._served[table.process] = Served(self.loop, table, self._environment, known)
        self.tables = [served.table for served in self._served.values()]

    def claim(self, request_id: str) -> str:
        """The id of a command that starts now: the request's, unless a running command has it."""
        while request_id in self._claimed:
            request_id = os.urandom(8).hex()
        self._claimed.add(request_id)
        return request_id

    # -- what exchanges tell ------------------------------------------------------------------

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""
        for observer in self._observers:
            observer.request(exchange, gone)

    def invocation_ended(
        self, exchange: CommandExchange, outcome: answers.Outcome, size: int
    ) -> None:
        """A command has ended, or could not be started; it has written `size` bytes."""
        self.running.discard(exchange)
        self._claimed.discard(exchange.request_id)
        for observer in self._observers:
            observer.invocation(exchange, outcome, size)
        if self._closed is not None and not self.running and not self._closed.done():
            self._closed.set_result(None)

    # -- the end ------------------------------------------------------------------------------

    async def close(self) -> None:
        """Start no command any more, end those that run as their routes say, then disconnect."""
        self.closing = True
        for exchange in tuple(self.waiting):
            exchange.stop_waiting()
        if self.running:
            self._closed = self.loop.create_future()
            for exchange in tuple(self.running):
                exchange.end("shutdown")
            await self._closed
        for connection in tuple(self.connections):
            connection.finish()

    def kill(self) -> None:
        """Wait for no command any more: what still runs is killed now."""
        for exchange in tuple(self.running):
            exchange.kill()


class MessageExchange(Exchange):
    """A message between actors, as libprocess's peers send them; accepted, and dropped."""

    __slots__ = ("_agent",)

    def __init__(self, connection: Connection, request: Request, agent: Agent) -> None:
        super().__init__(connection, request)
        self._agent = agent

    def on_end(self) -> None:
        encoded = self.request.path[1:].partition(b"/")[0]
        process = unescape(encoded.replace(b"+", b" "))
        if process is None:
            escape = encoded[encoded.index(b"%") :][:3].decode("latin-1")
            text = encoded.decode("latin-1")
            self.answer_text(
                500, f"Failed to decode URL path: Malformed % escape in '{text}': '{escape}'"
            )
        elif process in PROCESSES or any(
            table.process.encode() == process for table in self._agent.tables
        ):
            self.answer(202, [("Content-Length", "0")], b"")
        else:
            self.answer_text(404, "404 Not Found.")


def _text(
    connection: Connection, request: Request, status: int, text: str, *more: tuple[str, str]
) -> Exchange:
    exchange = Exchange(connection, request)
    exchange.answer_text(status, text, *more)
    return exchange


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    if 0 < len(given) <= 64 and _REQUEST_ID.issuperset(given):
        return given.decode()
    return os.urandom(8).hex()
