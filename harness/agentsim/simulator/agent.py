"""What the simulated agent serves, and who answers a request.

The order of the checks is libprocess's: a path that is none, messages between actors, `/..`, the
process, the longest route, authentication, and only then the route's own concerns.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields

from agentsim.core import answer as answers
from agentsim.core.environment import base_environment
from agentsim.core.match import Match, MethodNotAllowed, match
from agentsim.core.query import unescape
from agentsim.core.table import Route, Table
from agentsim.run.invocation import Result
from agentsim.run.slots import Slots
from agentsim.run.spool import Spool
from agentsim.simulator.command import CommandExchange
from agentsim.simulator.connection import Connection, Exchange
from agentsim.simulator.log import Log
from agentsim.wire.authentication import authenticate, challenge
from agentsim.wire.parser import Request

_REQUEST_ID = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Served:
    """A route table that is served, and what is shared by its requests."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, table: Table, overrides: Mapping[str, str]
    ) -> None:
        self.table = table
        self.environment = base_environment(table, overrides)
        self._slots = {
            id(route): Slots(loop, route.concurrency, route.queue_length, route.queue_seconds)
            for route in table.routes
        }
        self._limits = {id(route): _limits(route) for route in table.routes}

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
        log: told of every request and invocation.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tables: Sequence[Table],
        spool: Spool,
        credentials: dict[bytes, bytes],
        environment: Mapping[str, str],
        log: Log,
    ) -> None:
        self.loop = loop
        self.spool = spool
        self.connections: set[Connection] = set()
        self.running: set[CommandExchange] = set()
        self.waiting: set[CommandExchange] = set()
        self.closing = False
        self._credentials = credentials
        self._log = log
        self._served = {table.process: Served(loop, table, environment) for table in tables}
        self._tables = [served.table for served in self._served.values()]
        self._processes = frozenset(process.encode() for process in self._served)
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
            return MessageExchange(connection, request, self._processes)
        found = match(self._tables, request.method, path)
        if isinstance(found, Match):
            realm = found.route.realm
        elif isinstance(found, MethodNotAllowed):
            realm = found.realm
        else:
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
        return CommandExchange(
            connection,
            request,
            self,
            self._served[route.process],
            route,
            found.rest,
            _request_id(headers),
            principal,
        )

    # -- what exchanges tell ------------------------------------------------------------------

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""
        self._log.request(exchange, gone)

    def invocation_ended(self, exchange: CommandExchange, pid: int, result: Result) -> None:
        """A command has ended, or could not be started."""
        self.running.discard(exchange)
        self._log.invocation(exchange, pid, result)
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


class MessageExchange(Exchange):
    """A message between actors, as libprocess's peers send them; accepted, and dropped."""

    __slots__ = ("_processes",)

    def __init__(
        self, connection: Connection, request: Request, processes: frozenset[bytes]
    ) -> None:
        super().__init__(connection, request)
        self._processes = processes

    def on_end(self) -> None:
        encoded = self.request.path[1:].partition(b"/")[0]
        process = unescape(encoded.replace(b"+", b" "))
        if process is None:
            escape = encoded[encoded.index(b"%") :][:3].decode("latin-1")
            text = encoded.decode("latin-1")
            self.answer_text(
                500, f"Failed to decode URL path: Malformed % escape in '{text}': '{escape}'"
            )
        elif process in self._processes:
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
