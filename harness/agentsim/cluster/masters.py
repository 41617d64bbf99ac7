"""The simulated masters of a cluster: one that always leads, or several that elect a leader."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from agentsim.master.election import Candidacy
from agentsim.master.endpoints import Stage
from agentsim.master.host import Master, MasterConnection, MasterOptions
from agentsim.master.state import Registry
from agentsim.mesos.actor_message import Pid
from agentsim.mesos.master_info import MASTER_ID, ZooKeeper, master_info
from agentsim.run.spool import Spool
from agentsim.simulator.serve import CannotServe

_BACKLOG: Final = 4096
_ADDRESS: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class MastersOptions:
    """How the masters of a cluster are run.

    Attributes:
        port: of the first; the others have the next ones. 0 takes free ones.
        count: how many; more than one need `election`.
        election: where they elect a leader; None: the only one leads.
        session_seconds: for which a master that was killed is still taken for the leader.
        options: of each.
    """

    port: int = 5050
    count: int = 1
    election: ZooKeeper | None = None
    session_seconds: float = 10.0
    options: MasterOptions = field(default_factory=MasterOptions)

    def scaled(self, scale: float) -> MastersOptions:
        """With all durations so many times as long."""
        settings = self.options.settings
        return replace(
            self,
            session_seconds=self.session_seconds * scale,
            options=replace(
                self.options,
                starting_seconds=self.options.starting_seconds * scale,
                recovering_seconds=self.options.recovering_seconds * scale,
                settings=replace(
                    settings,
                    ping_seconds=settings.ping_seconds * scale,
                    reregister_seconds=settings.reregister_seconds * scale,
                ),
            ),
        )


class Masters:
    """The masters of a cluster.

    Args:
        loop: the event loop.
        options: how they are run.
        spool: where answers wait that nobody takes.
        say: takes a sentence for the log.

    Attributes:
        registry: what outlives each of them.
        running: the masters that run, by their number from 1 on.

    Raises:
        CannotServe: a port can't be had.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: MastersOptions,
        spool: Spool,
        say: Callable[[str], None],
    ) -> None:
        self.registry = Registry()
        self.running: dict[int, Master] = {}
        self._loop = loop
        self._options = options
        self._spool = spool
        self._say = say
        self._servers: dict[int, asyncio.Server] = {}
        self._pids: dict[int, Pid] = {}
        self._candidacies: dict[int, Candidacy] = {}
        numbers = range(1, options.count + 1)
        self._listeners = {number: self._listen(number) for number in numbers}
        for number, listener in self._listeners.items():
            self._pids[number] = Pid(MASTER_ID, _ADDRESS, listener.getsockname()[1])

    @property
    def place(self) -> Pid | ZooKeeper:
        """Where agents find who leads."""
        return self._options.election or self._pids[1]

    @property
    def numbers(self) -> range:
        """The numbers of all of them."""
        return range(1, self._options.count + 1)

    async def start(self) -> None:
        """Start all of them."""
        for number in self._pids:
            await self.start_one(number)

    async def start_one(self, number: int) -> None:
        """Start one that does not run, as a new one: with an id of its own."""
        pid = self._pids[number]
        master = Master(
            self._loop, pid, self._options.options, self.registry, self._spool, self._say
        )
        listener = self._listeners.pop(number, None) or self._listen(number)
        self._servers[number] = await self._loop.create_server(
            lambda: MasterConnection(master), sock=listener
        )
        listener.listen(_BACKLOG)
        self.running[number] = master
        self._say(f"a simulated master on http://{pid.authority}")
        if self._options.election is None:
            master.detected(pid)
            return
        settings = self._options.options.settings
        self._candidacies[number] = Candidacy(
            self._loop,
            self._options.election,
            master_info(pid, master.id, settings.version, settings.domain),
            self._options.session_seconds,
            master.detected,
        )

    def kill(self, number: int) -> None:
        """End one without a word; where there is an election, it is known after some time."""
        self._end(number)
        if (candidacy := self._candidacies.pop(number, None)) is not None:
            candidacy.abandon()

    def _end(self, number: int) -> None:
        master = self.running.pop(number)
        self._servers.pop(number).close()
        master.close()

    @property
    def leading(self) -> Master | None:
        """The master that leads, and has read the registry."""
        return next((each for each in self.running.values() if each.stage is Stage.LEADING), None)

    async def close(self) -> None:
        """End all of them."""
        for number in tuple(self.running):
            self._end(number)
        for candidacy in self._candidacies.values():
            await candidacy.close()

    def _listen(self, number: int) -> socket.socket:
        known = self._pids.get(number)
        port = known.port if known is not None else self._options.port
        if known is None and port:
            port += number - 1
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_ADDRESS, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            with suppress(OSError):
                listener.close()
            raise CannotServe(
                f"can't listen on {_ADDRESS}:{port}: {error.strerror}; try --master-port 0"
            ) from None
        listener.setblocking(False)
        return listener
