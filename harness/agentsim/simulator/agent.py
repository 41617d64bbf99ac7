"""What the simulated agent serves, and who answers a request.

The order of the checks is libprocess's: a path that is none, messages between actors, `/..`, the
process, the longest route, authentication, and only then the route's own concerns.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from agentsim.core.access import Access, is_own_name, refuse_path, refuse_route
from agentsim.core.answer import method_not_allowed, refusal_answer
from agentsim.core.argv import Refusal
from agentsim.core.outcome import Outcome
from agentsim.core.route_match import Match, MethodNotAllowed, match
from agentsim.core.route_table import Route, Table
from agentsim.mesos.actor_message import receiver_of
from agentsim.mesos.agent_description import AGENT_ID
from agentsim.run.concurrency_limit import ConcurrencyLimit
from agentsim.run.invocation import Invocation
from agentsim.run.readiness import readiness
from agentsim.run.running_command import MakeCommand
from agentsim.run.spool import Spool
from agentsim.simulator.actor_messages import MessageExchange, is_message
from agentsim.simulator.command_exchange import (
    CommandExchange,
    CommandHost,
    CommandRequest,
    Output,
)
from agentsim.simulator.command_registry import CommandRegistry
from agentsim.simulator.connection import Connection
from agentsim.simulator.exchange import ClientConnection, DocumentExchange, Exchange, TextExchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.member import MailExchange, Member
from agentsim.simulator.message_connection import Message
from agentsim.simulator.served_table import ServedTable
from agentsim.wire.basic_auth import authenticate, challenge
from agentsim.wire.request_parser import Request

_REQUEST_ID = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_MAX_REQUEST_ID_BYTES = 64
#: How long a client may take to send a request's head, unless the operator says otherwise.
HEAD_SECONDS = 60.0
# The event loop's, the listening socket, the log's and the like.
_OWN_DESCRIPTORS = 13

Tap = Callable[[CommandExchange, Output], Output]
NewExchange = Callable[[ClientConnection, CommandRequest, CommandHost], CommandExchange]
#: Answers a request that no route takes, or leaves it to the next one.
Fallback = Callable[[Connection, Request], Exchange | None]


class Observer(Protocol):
    """Whoever is told what happens: the log, the counters, the page."""

    def request(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""

    def invocation(self, exchange: CommandExchange, outcome: Outcome, size: int) -> None:
        """A command has ended, could not be started, or can't be killed; it has written `size`
        bytes."""

    def late_exit(self, exchange: CommandExchange) -> None:
        """A command that could not be killed has ended by itself."""


class Agent:
    """The simulated agent.

    Args:
        loop: the event loop.
        tables: the route tables to serve; no two of one process.
        spool: where bodies and output go that do not fit in memory.
        credentials: secrets by principal, for all realms; empty means that nobody can be
            authenticated, as in an agent without authenticators.
        opened: whether routes in a realm are open to everybody where nobody can be authenticated.
        names: the names that the host may be called by, beside addresses and `localhost`, in lower
            case.
        environment: the host's own entries for the commands' environments.
        observers: told of every request and invocation.
        say: takes a sentence for the host's log.
        say_once: takes one that may come very often.
        head_seconds: how long a client may take to send a request's head.
        tap: if given, is shown each command as it starts and may stand between it and whoever
            takes its output.
        new_exchange: makes the exchange of a request that a route takes.
        make_command: makes the commands.

    Attributes:
        connections: those that are open.
        idle: of them those that wait for their clients.
        commands: which of them wait and run.
        fallbacks: asked in turn who answers a path that no table has; the first that knows does.
        tables: those that are served.
        member: of a cluster, if it is one; gets the messages to an agent.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tables: Sequence[Table],
        spool: Spool,
        credentials: dict[bytes, bytes],
        opened: bool,
        names: Collection[bytes],
        environment: Mapping[str, str],
        observers: Sequence[Observer],
        say: Callable[[str], None],
        *,
        say_once: Callable[[str], None] | None = None,
        head_seconds: float = HEAD_SECONDS,
        tap: Tap | None = None,
        new_exchange: NewExchange = CommandExchange,
        make_command: MakeCommand = Invocation,
    ) -> None:
        self.loop = loop
        self.spool = spool
        self.head_seconds = head_seconds
        self.connections: set[Connection] = set()
        self.idle = IdleConnections(say_once or say, self._count_descriptors)
        self.commands = CommandRegistry(loop)
        self.fallbacks: list[Fallback] = []
        self.member: Member | None = None
        self._credentials = credentials
        self._access = Access(open=opened, names=None if credentials else names)
        self._names = names
        self._environment = environment
        self._observers = tuple(observers)
        self._say = say
        readiness(loop)  # when commands start there may be no descriptor for it
        self._host = CommandHost(
            *(loop, spool, self.commands, self._observers, say), tap, make_command
        )
        self._new_exchange = new_exchange
        self._served = {table.process: ServedTable(loop, table, environment) for table in tables}
        self.tables = list(tables)

    def exchange(self, connection: Connection, request: Request) -> Exchange:
        """Find who answers a request.

        Args:
            connection: where it came from.
            request: its head.
        """
        path, headers = request.path, request.headers
        if not path.startswith(b"/"):
            return TextExchange(connection, request, 400, "Request URL path must start with '/'")
        if is_message(request):
            if self.member is not None and receiver_of(request) == AGENT_ID.encode():
                return MailExchange(connection, request, self.member.receive)
            processes = {table.process.encode() for table in self.tables}
            return MessageExchange(connection, request, processes)
        found = match(self.tables, request.method, path)
        if isinstance(found, Match):
            realm = found.route.realm
        elif isinstance(found, MethodNotAllowed):
            realm = found.realm
        else:
            return self._fallback(connection, request)
        principal = None
        if realm is not None and self.guarded:
            proven = authenticate(headers, self._credentials)
            if proven is None:
                if b"authorization" in headers:
                    self._say(f"a login for {realm} was refused: client {connection.peer}")
                return TextExchange(connection, request, 401, "401 Unauthorized.", challenge(realm))
            principal = os.fsdecode(proven)
        refusal = refuse_path(realm, principal, headers, self._access)
        if isinstance(found, MethodNotAllowed):
            if refusal is not None:
                return _refusal(connection, request, refusal)
            answer = method_not_allowed(found.allowed, request.method)
            return DocumentExchange(
                connection, request, answer.status, answer.headers, answer.body or b""
            )
        route = found.route
        asked = CommandRequest(
            request,
            self._served[route.process],
            route,
            found.rest,
            _request_id(headers),
            principal,
            refusal or refuse_route(route, principal),
        )
        return self._new_exchange(connection, asked, self._host)

    def _fallback(self, connection: Connection, request: Request) -> Exchange:
        for fallback in self.fallbacks:
            exchange = fallback(connection, request)
            if exchange is not None:
                return exchange
        return TextExchange(connection, request, 404, "404 Not Found.")

    @property
    def guarded(self) -> bool:
        """Whether realms ask for credentials."""
        return bool(self._credentials)

    def admits(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a request may go where a realm is guarded."""
        return not self.guarded or authenticate(headers, self._credentials) is not None

    def refuse_other_sites(
        self, connection: ClientConnection, request: Request
    ) -> DocumentExchange | None:
        """The answer to a request that a page of another site has made, None to all others."""
        refusal = refuse_path(None, None, request.headers, self._access)
        return _refusal(connection, request, refusal) if refusal else None

    def is_own_name(self, authority: bytes) -> bool:
        """Whether a Host is one that no page of another site can have."""
        return is_own_name(authority, self._names)

    def concurrency(self, route: Route) -> ConcurrencyLimit:
        """How many commands of a route that is served run, and who waits."""
        return self._served[route.process].concurrency(route)

    def replace(self, former: str, table: Table) -> None:
        """Serve a table from the next request on; what runs goes on by the rules it began with.

        Args:
            former: the process id of the table that goes.
            table: the one that comes; no other table may have its process id.
        """
        known = self._served.pop(former)
        self._served[table.process] = ServedTable(self.loop, table, self._environment, known)
        self.tables = [served.table for served in self._served.values()]

    def _count_descriptors(self) -> int:
        per_command = 3  # its pipes, and what tells of its end
        return _OWN_DESCRIPTORS + len(self.connections) + per_command * self.commands.running

    def take_message(self, message: Message) -> bool:
        """Take a message from another actor; whether its receiver is here."""
        if self.member is None or message.receiver != AGENT_ID:
            return False
        self.member.receive(message.name, message.sender, message.body)
        return True

    def replace_credentials(self, credentials: dict[bytes, bytes]) -> None:
        """Ask for other credentials from the next request on."""
        self._credentials = credentials

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""
        if isinstance(exchange, MailExchange):
            return  # a ping every few seconds
        for observer in self._observers:
            observer.request(exchange, gone)

    async def close(self) -> None:
        """Start no command any more, end those that run as their routes say, then disconnect."""
        await self.commands.close()
        for connection in tuple(self.connections):
            connection.finish()


def _refusal(connection: ClientConnection, request: Request, refusal: Refusal) -> DocumentExchange:
    answer = refusal_answer(refusal, _request_id(request.headers))
    return DocumentExchange(connection, request, answer.status, answer.headers, answer.body or b"")


def _request_id(headers: dict[bytes, bytes]) -> str:
    proposed = headers.get(b"x-request-id", b"")
    if 0 < len(proposed) <= _MAX_REQUEST_ID_BYTES and _REQUEST_ID.issuperset(proposed):
        return proposed.decode()
    return os.urandom(8).hex()
