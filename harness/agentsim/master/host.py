"""A simulated master on the event loop: sockets, clock and stages around the decisions."""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agentsim.master import health_checks, registration, tasks
from agentsim.master.acls import EVERYTHING, Acls
from agentsim.master.endpoints import Asked, Stage, View, answer, find
from agentsim.master.operator_calls import Answer, Caller
from agentsim.master.state import Registry, Settings, State, Tell, recover
from agentsim.mesos.actor_message import Pid, receiver_of
from agentsim.mesos.master_info import MASTER_ID
from agentsim.mesos.wire_format import Undecodable, Values, decode, encode
from agentsim.run.spool import Spool
from agentsim.simulator.actor_messages import is_message
from agentsim.simulator.agent import HEAD_SECONDS
from agentsim.simulator.connection import Connection
from agentsim.simulator.exchange import ClientConnection, Exchange, TextExchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.mailer import Mailer
from agentsim.simulator.member import MailExchange
from agentsim.simulator.message_connection import Message, MessageConnection
from agentsim.wire.basic_auth import authenticate, challenge
from agentsim.wire.request_parser import Request

_OBSERVER = re.compile(rb"slave-observer\(([0-9]{1,9})\)")
#: Pings are sent in bundles: nobody notices so much, and a turn of the loop costs.
_BUNDLE_SECONDS: Final = 0.02
_MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MasterOptions:
    """How a master is run.

    Attributes:
        settings: its flags.
        credentials: secrets by principal; empty: nobody is asked for any.
        acls: who may do what.
        starting_seconds: for which every path is 404.
        recovering_seconds: for which it then leads and has not read the registry.
    """

    settings: Settings = field(default_factory=Settings)
    credentials: Mapping[bytes, bytes] = field(default_factory=dict)
    acls: Acls = EVERYTHING
    starting_seconds: float = 0.0
    recovering_seconds: float = 0.0


class Master:
    """One master.

    Args:
        loop: the event loop.
        pid: where it listens.
        options: how it is run.
        registry: what outlives it.
        spool: where answers wait that nobody takes.
        say: takes a sentence for the log.

    Attributes:
        stage: how far it has come.
        leader: who leads, as far as it knows.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pid: Pid,
        options: MasterOptions,
        registry: Registry,
        spool: Spool,
        say: Callable[[str], None],
    ) -> None:
        self.loop = loop
        self.spool = spool
        self.head_seconds = HEAD_SECONDS
        self.connections: set[Connection] = set()
        self.idle = IdleConnections(say, lambda: len(self.connections))
        self.pid = pid
        self.id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        self.stage = Stage.STARTING
        self.leader: Pid | None = None
        self._options = options
        self._registry = registry
        self._say = say
        self._started = time.time()
        self._mailer = Mailer(loop, self._lost)
        self._timer: asyncio.TimerHandle | None = None
        self._stage_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.state = self._new_state(Registry())
        self._stage_timer = loop.call_later(options.starting_seconds, self._up)

    # -- stages ---------------------------------------------------------------------------------

    def _new_state(self, registry: Registry) -> State:
        return recover(
            self.id,
            self.pid,
            self._options.settings,
            registry,
            start_time=self._started,
            elected_time=time.time(),
            now=self.loop.time(),
        )

    def _up(self) -> None:
        self.stage = Stage.FOLLOWING
        self._follow()

    def detected(self, leader: Pid | None) -> None:
        """Somebody has been elected, perhaps this master, or nobody is any more."""
        self.leader = leader
        if self.stage is not Stage.STARTING:
            self._follow()

    def _follow(self) -> None:
        if self._closed:
            return
        if self.leader == self.pid and self.stage is Stage.FOLLOWING:
            self.stage = Stage.RECOVERING
            self.state = self._new_state(Registry())
            seconds = self._options.recovering_seconds
            self._stage_timer = self.loop.call_later(seconds, self._recovered)
        elif self.leader != self.pid and self.stage is not Stage.FOLLOWING:
            # A real one ends itself; what follows is the same for agents and clients.
            self.stage = Stage.FOLLOWING
            self.state = self._new_state(Registry())

    def _recovered(self) -> None:
        if self.stage is Stage.RECOVERING:
            self.stage = Stage.LEADING
            self.state = self._new_state(self._registry)
            agents = len(self._registry.admitted)
            self._say(f"the master {self.pid.authority} leads, agents in its registry: {agents}")
            self._settle(())

    def close(self) -> None:
        """End at once, as kill -9 would have it."""
        self._closed = True
        self.stage = Stage.STARTING
        for timer in (self._timer, self._stage_timer):
            if timer is not None:
                timer.cancel()
        self._mailer.close()
        for connection in tuple(self.connections):
            connection.close()

    # -- what a simulation lets happen ----------------------------------------------------------

    def launch(self, agent_id: str, name: str, resources: Sequence[Values]) -> bool:
        """Launch a task on an agent; whether it is registered."""
        if agent_id not in self.state.registered:
            return False
        self._settle(tasks.launch(self.state, agent_id, name, resources, "sleep 1000"))
        return True

    def remove_framework(self) -> None:
        """End the framework of the tasks."""
        self._settle(tasks.remove_framework(self.state))

    # -- messages -------------------------------------------------------------------------------

    def _receive(self, name: str, sender: Pid | None, body: bytes) -> None:
        if self.stage is not Stage.LEADING or sender is None:
            return
        try:
            message = decode(name, body)
        except (KeyError, Undecodable):
            return
        now, wall = self.loop.time(), time.time()
        tells: Sequence[Tell] = ()
        match name:
            case "RegisterSlaveMessage":
                tells = registration.register(self.state, sender, message, now, wall)
            case "ReregisterSlaveMessage":
                tells = registration.reregister(self.state, sender, message, now, wall)
            case "StatusUpdateMessage":
                tells = tasks.status_update(self.state, message)
            case "UnregisterSlaveMessage":
                registration.unregister(self.state, sender, message)
            case _:
                pass
        self._settle(tells)

    def _pong(self, observer: int) -> None:
        if self.stage is Stage.LEADING:
            health_checks.pong(self.state, observer)

    def _lost(self, authority: str) -> None:
        if self.stage is Stage.LEADING:
            registration.disconnected(self.state, authority, self.loop.time())
            self._settle(())

    def _tick(self) -> None:
        self._timer = None
        if self.stage is Stage.LEADING:
            self._settle(health_checks.tick(self.state, self.loop.time()))

    def _settle(self, tells: Sequence[Tell]) -> None:
        for each in tells:
            sender = self.pid
            if each.observer is not None:
                sender = Pid(f"slave-observer({each.observer})", self.pid.ip, self.pid.port)
            self._mailer.send(sender, each.receiver, each.name, encode(each.name, each.message))
        due = health_checks.due(self.state)
        if due is None:
            return
        due = max(due, self.loop.time() + _BUNDLE_SECONDS)
        # A tick that is overdue stays where it is: requests in a row must not put it off for ever.
        if self._timer is not None and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._tick)

    # -- requests -------------------------------------------------------------------------------

    def exchange(self, connection: Connection, request: Request) -> Exchange:
        """Find who answers a request."""
        if not request.path.startswith(b"/"):
            return TextExchange(connection, request, 400, "Request URL path must start with '/'")
        if self.stage is Stage.STARTING:
            return TextExchange(connection, request, 404, "404 Not Found.")
        if is_message(request):
            return self._mail(connection, request)
        found = find(request.path)
        if found is None:
            return TextExchange(connection, request, 404, "404 Not Found.")
        principal = None
        realm = found[1].realm
        if realm is not None and self._options.credentials:
            proven = authenticate(request.headers, dict(self._options.credentials))
            if proven is None:
                words = "401 Unauthorized."
                return TextExchange(connection, request, 401, words, challenge(realm))
            principal = proven.decode("utf-8", "replace")
        caller = Caller(self._options.acls.allowed(principal))

        def give(body: bytes) -> Answer:
            view = View(self.stage, self.leader, self.state, time.time())
            asked = Asked(request.method, request.path, request.query, request.headers, body)
            given = answer(found, view, asked, caller)
            self._settle(given.tells)
            return given

        return AnswerExchange(connection, request, give)

    def _mail(self, connection: Connection, request: Request) -> Exchange:
        receiver = receiver_of(request)
        if receiver == MASTER_ID.encode():
            return MailExchange(connection, request, self._receive)
        match = _OBSERVER.fullmatch(receiver or b"")
        if match is not None and int(match[1]) in self.state.observers:
            number = int(match[1])
            return MailExchange(connection, request, lambda *_: self._pong(number))
        return TextExchange(connection, request, 404, "404 Not Found.")

    def take_message(self, message: Message) -> bool:
        """Take a message from another actor; whether its receiver is here."""
        if self.stage is Stage.STARTING:
            return False
        if message.receiver == MASTER_ID:
            self._receive(message.name, message.sender, message.body)
            return True
        match = _OBSERVER.fullmatch(message.receiver.encode())
        if match is None or int(match[1]) not in self.state.observers:
            return False
        self._pong(int(match[1]))
        return True

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""


class MasterConnection(MessageConnection):
    """A connection to a master: a thousand agents may send their messages over one."""

    turn = 64


class AnswerExchange(Exchange):
    """A request that is answered once its body is here."""

    __slots__ = ("_body", "_give")

    def __init__(
        self, connection: ClientConnection, request: Request, give: Callable[[bytes], Answer]
    ) -> None:
        super().__init__(connection, request)
        self._give = give
        self._body = bytearray()

    @property
    def takes_body(self) -> bool:
        return True

    def on_body(self, data: bytes) -> None:
        if len(self._body) <= _MAX_BODY_BYTES:
            self._body += data

    def on_end(self) -> None:
        given = self._give(bytes(self._body))
        self.answer(given.status, list(given.headers), given.body)
