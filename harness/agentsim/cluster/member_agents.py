"""The agents of a cluster: each a simulated agent with its own routes, and a member."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from agentsim.cluster.patterns import fill
from agentsim.cluster.scripted.invocation import Player
from agentsim.core.route_table import Table
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.membership import Membership, Phase
from agentsim.run.invocation import Invocation
from agentsim.run.spool import Spool
from agentsim.simulator.agent import Agent, Observer
from agentsim.simulator.command_exchange import CommandExchange, CommandHost, CommandRequest
from agentsim.simulator.exchange import ClientConnection
from agentsim.simulator.fault_injection import FaultyExchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.libprocess_endpoints import LibprocessEndpoints
from agentsim.simulator.log import Log
from agentsim.simulator.mailer import Mailer
from agentsim.simulator.member import Member
from agentsim.simulator.metrics import Counters

#: Credentials that nobody has: what `refuse` puts in the place of an agent's own.
_NOBODYS = {b"\0": b"\0"}


class Power(Enum):
    """Whether an agent's machine works."""

    ON = "on"
    HUNG = "hung"  # takes connections and does nothing
    OFF = "off"


@dataclass(frozen=True)
class ServedBy:
    """What all agents of a cluster serve.

    Attributes:
        tables: the route tables.
        environment: for the commands, with `{number}` and `{hostname}` in their places.
        credentials: secrets by principal; empty for none.
        spool: where bodies and outputs go that do not fit in memory.
        scripted: how long a step of a played provisioner takes; None: its process is started.
    """

    tables: Sequence[Table]
    environment: Mapping[str, str]
    credentials: dict[bytes, bytes]
    spool: Spool
    scripted: float | None = None


class MemberAgent:
    """One agent of a cluster.

    Attributes:
        number: from 1 on.
        description: what it tells a master.
        server: who answers at its address.
        member: what it is to the master.
        player: what plays its commands, if they are.
        power: whether its machine works.
        faults: what requests to its routes meet, as `FaultyExchange` has it.
        dies_after: seconds after the start of the next command that changes something until the
            machine dies; None: it does not.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        number: int,
        description: AgentDescription,
        served: ServedBy,
        log: Log,
        idle: IdleConnections,
        mailer: Mailer,
        generator: random.Random,
        backoff: float,
        changed: Callable[[MemberAgent], None],
        observer: Observer,
    ) -> None:
        self.number = number
        self.description = description
        self.power = Power.ON
        self.faults: dict[str, float] = {}
        self.dies_after: float | None = None
        self._loop = loop
        self._log = log
        self._credentials = served.credentials
        self.player = None
        if served.scripted is not None:
            self.player = Player(description.hostname, served.scripted)
        counters = Counters()
        self.server = Agent(
            loop,
            served.tables,
            served.spool,
            served.credentials,
            True,
            [description.hostname.lower().encode()],
            {
                name: fill(value, number, hostname=description.hostname)
                for name, value in served.environment.items()
            },
            [log, counters, observer],
            log.say,
            say_once=log.say_once,
            new_exchange=self._exchange,
            make_command=self.player or Invocation,
        )
        self.server.idle = idle  # descriptors are of the process, not of an agent
        self.server.fallbacks.append(LibprocessEndpoints(self.server, counters).exchange)
        membership = Membership(description, generator, time.time, backoff)
        self.member = Member(loop, membership, mailer, lambda _: changed(self))
        self.server.member = self.member

    @property
    def phase(self) -> Phase:
        """Where it stands with the master."""
        return self.member.membership.phase

    def _exchange(
        self, connection: ClientConnection, asked: CommandRequest, host: CommandHost
    ) -> CommandExchange:
        if self.dies_after is not None and asked.route.methods[0] != "GET":
            self._loop.call_later(self.dies_after, self.die)
            self.dies_after = None
        if self.faults:
            return FaultyExchange(connection, asked, host, dict(self.faults), self._log)
        return CommandExchange(connection, asked, host)

    def _afflict(self) -> None:
        if self.player is not None:
            self.player.host.disk_full = "full" in self.faults
            self.player.host.unhealthy = "unhealthy" in self.faults

    # -- faults -----------------------------------------------------------------------------------

    def die(self) -> None:
        """The machine loses its power: commands are killed, connections break."""
        self.power = Power.OFF
        self.server.commands.kill()
        self.member.membership.tasks.clear()
        self.disconnect()
        self.member.pause()

    def hang(self) -> None:
        """The machine takes connections and does nothing with them."""
        self.power = Power.HUNG
        for connection in tuple(self.server.connections):
            connection.freeze()
        self.member.pause()

    def fail(self, kind: str, amount: float) -> None:
        """Let requests to its routes meet a fault, or a played command."""
        self.faults[kind] = amount
        self._afflict()

    def disconnect(self) -> None:
        """All connections break."""
        for connection in tuple(self.server.connections):
            connection.close()

    def refuse_credentials(self) -> None:
        """Nobody is let in any more."""
        self.server.replace_credentials(_NOBODYS)

    def recover(self, master: Pid | None, *, as_new: bool = False) -> None:
        """All faults end; one that was dead or hung registers anew.

        Args:
            master: who leads.
            as_new: whether its work directory is lost, so that it gets a new id.
        """
        self.faults.clear()
        self._afflict()
        self.dies_after = None
        self.server.replace_credentials(self._credentials)
        if as_new:
            self.member.membership.forget_id()
        if as_new or self.power is not Power.ON or self.phase is Phase.ENDED:
            self.disconnect()  # what came while it hung
            self.power = Power.ON
            self.member.restart(master)


class MemberAgents:
    """The agents of a cluster, by number and by address."""

    def __init__(self) -> None:
        self._by_number: dict[int, MemberAgent] = {}
        self._by_address: dict[tuple[str, int], MemberAgent] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[MemberAgent]:
        return iter(self._by_number.values())

    def add(self, agent: MemberAgent) -> None:
        """Take in an agent."""
        self._by_number[agent.number] = agent
        self._by_address[agent.description.ip, agent.description.port] = agent

    def at(self, address: str, port: int) -> MemberAgent | None:
        """The agent at an address."""
        return self._by_address.get((address, port))
