"""The agents of a cluster: each a simulated agent with its own routes, and a member."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentsim.cluster.patterns import fill
from agentsim.core.route_table import Table
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.membership import Membership, Phase
from agentsim.run.spool import Spool
from agentsim.simulator.agent import Agent
from agentsim.simulator.command_exchange import CommandExchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.libprocess_endpoints import LibprocessEndpoints
from agentsim.simulator.log import Log
from agentsim.simulator.mailer import Mailer
from agentsim.simulator.member import Member
from agentsim.simulator.metrics import Counters


@dataclass(frozen=True)
class ServedBy:
    """What all agents of a cluster serve.

    Attributes:
        tables: the route tables.
        environment: for the commands, with `{number}` and `{hostname}` in their places.
        credentials: secrets by principal; empty for none.
        spool: where bodies and outputs go that do not fit in memory.
    """

    tables: Sequence[Table]
    environment: Mapping[str, str]
    credentials: dict[bytes, bytes]
    spool: Spool


class MemberAgent:
    """One agent of a cluster.

    Attributes:
        number: from 1 on.
        description: what it tells a master.
        server: who answers at its address.
        member: what it is to the master.
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
    ) -> None:
        self.number = number
        self.description = description
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
            [log, counters],
            log.say,
            say_once=log.say_once,
            new_exchange=CommandExchange,
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


class MemberAgents:
    """The agents of a cluster, by number and by address."""

    def __init__(self) -> None:
        self._by_number: dict[int, MemberAgent] = {}
        self._by_address: dict[str, MemberAgent] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[MemberAgent]:
        return iter(self._by_number.values())

    def add(self, agent: MemberAgent) -> None:
        """Take in an agent."""
        self._by_number[agent.number] = agent
        self._by_address[agent.description.ip] = agent

    def at(self, address: str) -> MemberAgent | None:
        """The agent at an address."""
        return self._by_address.get(address)

    def leader(self, master: Pid | None) -> None:
        """Tell all who leads."""
        for agent in self:
            agent.member.leader(master)
