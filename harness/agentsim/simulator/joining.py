"""How a simulated agent joins a cluster, and leaves it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import AgentDescription
from agentsim.mesos.master_info import ZooKeeper
from agentsim.mesos.membership import Membership, Phase
from agentsim.simulator.mailer import Mailer
from agentsim.simulator.master_detection import Detection
from agentsim.simulator.member import Member

#: How long an agent that ends waits until its last message has gone out.
_FAREWELL_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Joining:
    """What an agent joins.

    Attributes:
        master: a master, or an election.
        describe: what it tells of itself, by the address and the port it listens at.
    """

    master: Pid | ZooKeeper
    describe: Callable[[str, int], AgentDescription]


class Joined:
    """An agent in a cluster.

    Args:
        loop: the event loop.
        joining: what it joins.
        ip, port: where it listens.
        say: takes a sentence for the log.
        ended: told when the master has shut it down.

    Raises:
        NoLibrary: as `master_detection.Detection`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        joining: Joining,
        ip: str,
        port: int,
        say: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._say = say
        self._ended = ended
        description = joining.describe(ip, port)
        membership = Membership(description, random.Random(), time.time)  # noqa: S311 - no secrets
        self._mailer = Mailer(loop, lambda _: self.member.disconnected())
        self.member = Member(loop, membership, self._mailer, self._changed)
        self._detection = Detection(loop, joining.master, self._leader)

    def _leader(self, master: Pid | None) -> None:
        self._say(f"the master {master.authority} leads" if master else "no master leads")
        self.member.leader(master)

    def _changed(self, member: Member) -> None:
        membership = member.membership
        if membership.phase is Phase.REGISTERED:
            self._say(f"registered as {membership.agent_id}")
        elif membership.ignored is not None:
            self._say(membership.ignored)
        elif membership.phase is Phase.ENDED and membership.ended_by is not None:
            self._say(f"the master has shut this agent down: {membership.ended_by}")
            self._ended()

    async def leave(self) -> None:
        """Leave in good order."""
        self._detection.close()
        self.member.leave()
        await self._mailer.drain(_FAREWELL_SECONDS)
        self._mailer.close()
