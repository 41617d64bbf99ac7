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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from agentsim.cluster.control import TASK_RESOURCES, BadControl, Control
from agentsim.cluster.faults import parse_fault
from agentsim.cluster.injection import Injection
from agentsim.cluster.listener import Doorways, Nothing, listen
from agentsim.cluster.masters import Masters, MastersOptions
from agentsim.cluster.member_agents import MemberAgent, MemberAgents, Power, ServedBy
from agentsim.cluster.web_page import ClusterActivity, ClusterPage
from agentsim.core.route_table import Table
from agentsim.master.host import Master
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.master_info import ZooKeeper
from agentsim.mesos.membership import Phase
from agentsim.run.spool import Spool
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.log import Log
from agentsim.simulator.mailer import Mailer
from agentsim.simulator.master_detection import Detection, NoLibrary
from agentsim.simulator.message_connection import MessageServer
from agentsim.simulator.serve import CannotServe

_LISTEN_BACKLOG: Final = 4096
_ACCEPTS_AT_ONCE: Final = 64
_FAREWELL_SECONDS: Final = 5.0
_OWN_DESCRIPTORS: Final = 32
_CONTROL_ADDRESS: Final = "127.0.0.1"
_APART: Final = ", or the master as a process of its own (--agents 0; the others with --master)"


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
        faults: that happen at the start.
        scripted: as `ServedBy` has it.
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
    faults: Sequence[str] = ()
    scripted: float | None = None


def run_cluster(settings: ClusterSettings, log: Log) -> None:
    """Run a cluster until SIGINT, SIGTERM or SIGHUP.

    Raises:
        CannotServe: a port can't be had, or there are too few descriptors for so many agents, or
            ZooKeeper can't be asked.
        BadFault: there are no agents for a fault.
    """
    _raise_descriptor_limit(settings)
    listener = listen(settings.port)
    with asyncio.Runner() as runner:
        try:
            runner.run(Cluster(settings, listener, log).run())
        except NoLibrary as error:
            raise CannotServe(str(error)) from None


def _raise_descriptor_limit(settings: ClusterSettings) -> None:
    """Have a descriptor for each connection: the master's to each agent, seen from both sides if
    the master is simulated."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = settings.count * (1 if settings.master is not None else 2) + _OWN_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and wanted > hard:
        apart = _APART if settings.master is None else ""
        raise CannotServe(
            f"{settings.count} agents need {wanted} descriptors and {hard} may be open: raise the"
            f" limit (ulimit -Hn {wanted}, as root), or run fewer{apart}"
        )


class Cluster:
    """A running cluster.

    Attributes:
        agents: its agents.
    """

    def __init__(self, settings: ClusterSettings, listener: socket.socket, log: Log) -> None:
        self.agents = MemberAgents()
        self._settings = settings
        self._listener = listener
        self._log = log
        self._port = listener.getsockname()[1]
        self._doorways = Doorways(self._find)
        self._idle = IdleConnections(log.say_once, self._count_descriptors)
        self._registered: set[int] = set()
        self._said_complete = False
        self._said_ignored = False
        self._leading: Pid | None = None
        self._launched = 0
        self._activity = ClusterActivity()

    async def run(self) -> None:
        """Run until a signal ends it."""
        loop = self._loop = asyncio.get_running_loop()
        settings = self._settings
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(each) != signal.SIG_IGN:
                loop.add_signal_handler(each, stop.set)
        spool = Spool(settings.spool_dir, settings.spool_limit)
        self._masters = None
        if settings.master is None:
            self._masters = Masters(loop, settings.masters, spool, self._log.say)
        self._mailer = Mailer(loop, lambda _: self._disconnected())
        self._served = ServedBy(
            settings.tables,
            settings.environment,
            settings.credentials,
            spool,
            settings.scripted,
        )
        for number in range(1, settings.count + 1):
            self._add(number, settings.describe(number, self._port))
        self._injection = Injection(
            loop, self.agents, settings.seed, lambda: self._leading, self._twin, self._log.say
        )
        self._control = Control(loop, spool, self._idle, self, settings.seed)
        page = ClusterPage(loop, self.agents, self._activity)
        self._control.fallbacks.append(page.exchange)
        servers = [await self._serve(self._listener)]
        if self._masters is not None:
            await self._masters.start()
        gc.freeze()
        self._say_places()
        master = settings.master if self._masters is None else self._masters.place
        assert master is not None
        detection = Detection(loop, master, self._leader)
        for fault in settings.faults:
            self.inject(fault)
        await stop.wait()
        self._log.say("good-bye")
        detection.close()
        for server in servers:
            server.close()
        for agent in self.agents:
            agent.member.leave()
        await self._mailer.drain(_FAREWELL_SECONDS)
        await asyncio.gather(*(agent.server.close() for agent in self.agents))
        self._mailer.close()
        if self._masters is not None:
            await self._masters.close()

    def _say_places(self) -> None:
        agents = list(self.agents)
        if agents:
            first, last = (agents[index].description.ip for index in (0, -1))
            self._log.say(f"{len(agents)} agents on http://{first}:{self._port} to {last}")
        self._log.say(f"the cluster on http://127.0.0.1:{self._port}")

    async def _serve(self, listener: socket.socket) -> asyncio.Server:
        server = await self._loop.create_server(
            self._doorways, sock=listener, backlog=_ACCEPTS_AT_ONCE
        )
        listener.listen(_LISTEN_BACKLOG)  # asyncio has set it to what it accepts in one go
        return server

    def _add(self, number: int, description: AgentDescription) -> MemberAgent:
        agent = MemberAgent(
            self._loop,
            number,
            description,
            self._served,
            self._log,
            self._idle,
            self._mailer,
            random.Random(f"{self._settings.seed} {number}"),  # noqa: S311 - no secrets
            self._settings.backoff,
            self._changed,
            self._activity.observer(description.hostname),
        )
        self.agents.add(agent)
        return agent

    def _find(self, address: str, port: int) -> MessageServer | Nothing | None:
        agent = self.agents.at(address, port)
        if agent is None:
            here = address == _CONTROL_ADDRESS and port == self._port
            return self._control if here else None
        if agent.power is Power.ON:
            return agent.server
        return Nothing.DONE if agent.power is Power.HUNG else None

    def _leader(self, master: Pid | None) -> None:
        self._said_complete = self._said_ignored = False
        self._leading = master
        self._log.say(f"the master {master.authority} leads" if master else "no master leads")
        for agent in self.agents:
            if agent.power is Power.ON:
                agent.member.leader(master)

    def _disconnected(self) -> None:
        self._said_complete = False
        for agent in self.agents:
            if agent.power is Power.ON:
                agent.member.disconnected()

    def _changed(self, agent: MemberAgent) -> None:
        if agent.phase is Phase.REGISTERED:
            self._registered.add(agent.number)
        else:
            self._registered.discard(agent.number)
        ignored = agent.member.membership.ignored
        if ignored is not None and not self._said_ignored:
            self._said_ignored = True
            self._log.say(ignored)
        if agent.phase is Phase.ENDED:
            reason = agent.member.membership.ended_by
            if reason is not None:
                name = agent.description.hostname
                self._log.say(f"{name}: the master has shut it down: {reason}")
        elif len(self._registered) == len(self.agents) and not self._said_complete:
            self._said_complete = True
            self._log.say(f"all {len(self.agents)} agents are registered")

    def _count_descriptors(self) -> int:
        return _OWN_DESCRIPTORS + self._doorways.open

    # -- what it is told --------------------------------------------------------------------------

    def inject(self, fault: str) -> list[MemberAgent]:
        """Let a fault happen; to whom it has.

        Raises:
            BadFault: it is none, or there are no such agents.
        """
        return self._injection.inject(parse_fault(fault))

    def _twin(self, agent: MemberAgent) -> None:
        listener = listen(0, agent.description.ip)
        number = len(self.agents) + 1
        port = listener.getsockname()[1]
        twin = self._add(number, replace(agent.description, port=port))
        task = self._loop.create_task(self._serve(listener))
        task.add_done_callback(lambda _: twin.member.leader(self._leading))

    def launch(self, agents: list[MemberAgent]) -> None:
        """Launch a task on each.

        Raises:
            BadControl: the master is a real one, or knows one of them not.
        """
        master = self._leading_master()
        for agent in agents:
            self._launched += 1
            known = agent.member.membership.agent_id
            name = f"task-{self._launched}"
            if known is None or not master.launch(known, name, TASK_RESOURCES):
                raise BadControl(f"{agent.description.hostname} is not registered")

    def remove_framework(self) -> None:
        """End the framework of the tasks.

        Raises:
            BadControl: the master is a real one.
        """
        self._leading_master().remove_framework()

    def schedule(self, agents: list[MemberAgent]) -> None:
        """Have these in the maintenance schedule, and no others.

        Raises:
            BadControl: the master is a real one.
        """
        machines = [(each.description.hostname, each.description.ip) for each in agents]
        self._simulated().registry.schedule[:] = machines

    async def act_on_master(self, act: str, number: int) -> None:
        """Kill, start or restart a master.

        Raises:
            BadControl: there is none of that number, or it runs, or does not, already.
        """
        masters = self._simulated()
        if number not in masters.numbers:
            raise BadControl(f"there is no master {number}")
        if (number in masters.running) == (act == "start"):
            raise BadControl(f"the master {number} runs{' not' * (act != 'start')}")
        if act != "start":
            masters.kill(number)
        if act != "kill":
            await masters.start_one(number)

    def _simulated(self) -> Masters:
        if self._masters is None:
            raise BadControl("the master is a real one")
        return self._masters

    def _leading_master(self) -> Master:
        master = self._simulated().leading
        if master is None:
            raise BadControl("no master leads")
        return master
