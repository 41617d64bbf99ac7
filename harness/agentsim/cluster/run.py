"""A cluster as a program: one event loop, one socket for all agents, an orderly end."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agentsim.cluster.listener import Doorways, listen
from agentsim.cluster.masters import Masters, MastersOptions
from agentsim.cluster.member_agents import MemberAgent, MemberAgents, ServedBy
from agentsim.core.route_table import Table
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.master_info import ZooKeeper
from agentsim.mesos.membership import Phase
from agentsim.run.spool import Spool
from agentsim.simulator.agent import Agent
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.log import Log
from agentsim.simulator.mailer import Mailer
from agentsim.simulator.master_detection import Detection, NoLibrary
from agentsim.simulator.serve import CannotServe

_LISTEN_BACKLOG: Final = 4096
_ACCEPTS_AT_ONCE: Final = 64
_FAREWELL_SECONDS: Final = 5.0
_OWN_DESCRIPTORS: Final = 32


@dataclass(frozen=True)
class ClusterSettings:
    """How to run a cluster.

    Attributes:
        tables: the route tables that every agent serves.
        count: how many agents.
        describe: what the agent of a number is at a port.
        port: where the agents listen; 0 takes a free one.
        master: with which they register; None: a master is simulated.
        masters: how it is, if so.
        spool_dir, spool_limit: as of `agentsim serve`.
        credentials: secrets by principal, of the agents.
        environment: for the commands, with `{number}` and `{hostname}` in their places.
        seed: what is drawn is drawn from it.
        backoff: seconds of which the first registration waits a random part.
    """

    tables: Sequence[Table]
    count: int
    describe: Callable[[int, int], AgentDescription]
    port: int
    master: Pid | ZooKeeper | None
    masters: MastersOptions
    spool_dir: Path
    spool_limit: int
    credentials: dict[bytes, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    backoff: float = 1.0


def run_cluster(settings: ClusterSettings, log: Log) -> None:
    """Run a cluster until SIGINT, SIGTERM or SIGHUP.

    Raises:
        CannotServe: a port can't be had, or there are too few descriptors for so many agents.
    """
    _raise_descriptor_limit(settings)
    listener = listen(settings.port)
    with asyncio.Runner() as runner:
        runner.run(Cluster(settings, listener, log).run())


def _raise_descriptor_limit(settings: ClusterSettings) -> None:
    """Have a descriptor for each connection: the master's to each agent, seen from both sides if
    the master is simulated."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = settings.count * (1 if settings.master is not None else 2) + _OWN_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise CannotServe(
            f"{settings.count} agents need {wanted} descriptors and {hard} may be open: raise the"
            f" limit (ulimit -Hn {wanted}, as root), or run fewer"
        )


class Cluster:
    """A running cluster."""

    def __init__(self, settings: ClusterSettings, listener: socket.socket, log: Log) -> None:
        self._settings = settings
        self._listener = listener
        self._log = log
        self._port = listener.getsockname()[1]
        self._agents = MemberAgents()
        self._idle = IdleConnections(log.say_once, self._count_descriptors)
        self._doorways = Doorways(self._find)
        self._registered: set[int] = set()
        self._said_complete = False

    async def run(self) -> None:
        """Run until a signal ends it."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(each) != signal.SIG_IGN:
                loop.add_signal_handler(each, stop.set)
        spool = Spool(settings.spool_dir, settings.spool_limit)
        masters = None
        if settings.master is None:
            masters = Masters(loop, settings.masters, spool, self._log.say)
        mailer = Mailer(loop, lambda _: self._disconnected())
        self._make_agents(loop, spool, mailer)
        server = await loop.create_server(
            self._doorways, sock=self._listener, backlog=_ACCEPTS_AT_ONCE
        )
        self._listener.listen(_LISTEN_BACKLOG)  # asyncio has set it to what it accepts in one go
        if masters is not None:
            await masters.start()
        gc.freeze()
        first, last = (self._settings.describe(n, 1).ip for n in (1, settings.count))
        self._log.say(f"{settings.count} agents on http://{first}:{self._port} to {last}")
        try:
            master = masters.place if masters is not None else settings.master
            assert master is not None
            detection = Detection(loop, master, self._leader)
        except NoLibrary as error:
            raise CannotServe(str(error)) from None
        await stop.wait()
        self._log.say("good-bye")
        detection.close()
        server.close()
        for agent in self._agents:
            agent.member.leave()
        await mailer.drain(_FAREWELL_SECONDS)
        await asyncio.gather(*(agent.server.close() for agent in self._agents))
        mailer.close()
        if masters is not None:
            await masters.close()

    def _make_agents(self, loop: asyncio.AbstractEventLoop, spool: Spool, mailer: Mailer) -> None:
        settings = self._settings
        served = ServedBy(settings.tables, settings.environment, settings.credentials, spool)
        for number in range(1, settings.count + 1):
            agent = MemberAgent(
                loop,
                number,
                settings.describe(number, self._port),
                served,
                self._log,
                self._idle,
                mailer,
                random.Random(f"{settings.seed} {number}"),  # noqa: S311 - no secrets
                settings.backoff,
                self._changed,
            )
            self._agents.add(agent)

    def _find(self, address: str) -> Agent | None:
        agent = self._agents.at(address)
        return None if agent is None else agent.server

    def _leader(self, master: Pid | None) -> None:
        self._said_complete = False
        self._log.say(f"the master {master.authority} leads" if master else "no master leads")
        self._agents.leader(master)

    def _disconnected(self) -> None:
        self._said_complete = False
        for agent in self._agents:
            agent.member.disconnected()

    def _changed(self, agent: MemberAgent) -> None:
        if agent.phase is Phase.REGISTERED:
            self._registered.add(agent.number)
        else:
            self._registered.discard(agent.number)
        if agent.phase is Phase.ENDED:
            reason = agent.member.membership.ended_by
            if reason is not None:
                self._log.say(
                    f"{agent.description.hostname}: the master has shut it down: {reason}"
                )
        elif len(self._registered) == len(self._agents) and not self._said_complete:
            self._said_complete = True
            self._log.say(f"all {len(self._agents)} agents are registered")

    def _count_descriptors(self) -> int:
        return _OWN_DESCRIPTORS + self._doorways.open
