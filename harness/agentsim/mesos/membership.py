"""How an agent belongs to a master: what it sends, and when. Decides, and does no I/O.

    waiting → registering → registered → ended
       ↑___________|______________|

It waits while nobody knows a leading master; registers, or re-registers if it has an id, after a
random part of a second, then again after a random part of 1, 2, 4 … 60 seconds until it is
answered; answers pings; and registers anew when the master says that it is disconnected, when it
hears no ping for as long as the master said, or when its own connection to the master breaks.

Time is given with each call, in seconds of a clock that never jumps; `due` says when `tick` wants
to be called.

Source: Mesos `slave/slave.cpp` (`doReliableRegistration`, `ping`, `pingTimeout`, `shutdown`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

from agentsim.mesos.actor_message import Pid
from agentsim.mesos.agent_description import AGENT_ID, AgentDescription
from agentsim.mesos.tasks import Tasks
from agentsim.mesos.wire_format import Undecodable, Values, decode, encode

_MAX_BACKOFF_SECONDS: Final = 60.0
_DEFAULT_PING_TIMEOUT_SECONDS: Final = 75.0
#: So many without an answer take eight times the first backoff, in the mean.
_IGNORED_ATTEMPTS: Final = 5


class Phase(Enum):
    """Where an agent stands with its master."""

    WAITING = "waiting"
    REGISTERING = "registering"
    REGISTERED = "registered"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Send:
    """A message that is to be sent."""

    receiver: Pid
    name: str
    body: bytes


Sends = Iterator[Send]


class Membership:
    """The membership of one agent.

    Args:
        description: what it tells of itself.
        random: draws times and ids.
        wall_clock: seconds since the epoch, for status updates of tasks.
        backoff: seconds of which the first registration waits a random part, and that double.

    Attributes:
        agent_id: what the master calls it; None before it has registered.
        phase: where it stands.
        tasks: what "runs" on it.
        ended_by: why the master has ended it.
        draining: whether the master has told it to drain, since it last registered.
    """

    def __init__(
        self,
        description: AgentDescription,
        random: Random,
        wall_clock: Callable[[], float],
        backoff: float = 1.0,
    ) -> None:
        self.description = description
        self.pid = Pid(AGENT_ID, description.ip, description.port)
        self.agent_id: str | None = None
        self.phase = Phase.WAITING
        self.tasks = Tasks(random, wall_clock)
        self.ended_by: str | None = None
        self.draining = False
        self.master: Pid | None = None
        self._random = random
        self._backoff = backoff
        self._resource_version = random.randbytes(16)
        self._attempts = 0
        self._attempt_at: float | None = None
        self._registration: bytes | None = None  # as long as it stays the same
        self._ping_timeout = _DEFAULT_PING_TIMEOUT_SECONDS
        self._ping_deadline: float | None = None

    @property
    def due(self) -> float | None:
        """When `tick` is wanted; None: when something else has happened before."""
        times = [self._attempt_at, self._ping_deadline, self.tasks.due]
        return min((each for each in times if each is not None), default=None)

    @property
    def ignored(self) -> str | None:
        """What is to be said of a master that has answered no registration for a while; None: it
        has answered, or may still do so.

        Mesos writes why to its log and answers nothing (`Master::registerSlave`).
        """
        if self.master is None or self._attempts < _IGNORED_ATTEMPTS:
            return None
        if self.phase is not Phase.REGISTERING:
            return None
        why = "whether it runs, and why it ignores them, its log tells"
        if self.description.region is not None:
            why += " (one that was started without --domain takes no agent that has a zone)"
        return f"the master {self.master.authority} answers no registration: {why}"

    # -- what happens ---------------------------------------------------------------------------

    def leader(self, master: Pid | None, now: float) -> None:
        """Another master leads, the same one does again, or nobody knows which does."""
        if self.phase is Phase.ENDED:
            return
        self.master = master
        self._ping_deadline = None
        if master is None:
            self.phase = Phase.WAITING
            self._attempt_at = None
            return
        self.phase = Phase.REGISTERING
        self._attempts = 0
        self._attempt_at = now + self._random.uniform(0, self._backoff)

    def disconnected(self, now: float) -> None:
        """The agent's own connection to the master has broken."""
        if self.phase is Phase.REGISTERED:
            self.leader(self.master, now)

    def tick(self, now: float) -> Sends:
        """What is to be sent by now."""
        if self.phase is Phase.ENDED:
            return
        if self._ping_deadline is not None and self._ping_deadline <= now:
            self.leader(self.master, now)
        if self._attempt_at is not None and self._attempt_at <= now:
            yield self._attempt(now)
        if self.agent_id is not None and self.phase is Phase.REGISTERED:
            for update in self.tasks.tick(self.agent_id, now):
                yield self._status_update(update)

    def receive(self, name: str, sender: Pid | None, body: bytes, now: float) -> Sends:
        """A message has come; what is to be sent for it.

        What can't be decoded is dropped, and so is what comes from another than the master, but for
        pings, which an actor of the master's own sends.
        """
        if self.phase is Phase.ENDED or sender is None or self.master is None:
            return
        try:
            message = decode(name, body)
        except (KeyError, Undecodable):
            return
        if name == "PingSlaveMessage":
            if sender.authority == self.master.authority:
                yield from self._ping(sender, message, now)
        elif sender == self.master:
            yield from self._from_master(name, message, now)

    def leave(self) -> Sends:
        """End in good order: the master removes it at once."""
        if self.phase is Phase.REGISTERED:
            yield self._send("UnregisterSlaveMessage", {"slave_id": self._id()})
        self._end(None)

    def restart(self) -> None:
        """The agent is started again."""
        self.phase = Phase.WAITING
        self.ended_by = None

    def forget_id(self) -> None:
        """What an agent's work directory held is gone: it will register as a new one."""
        self.agent_id = None
        self._registration = None

    # -- what it answers ------------------------------------------------------------------------

    def _ping(self, sender: Pid, message: Values, now: float) -> Sends:
        yield Send(sender, "PongSlaveMessage", b"")
        if self.phase is not Phase.REGISTERED:
            return
        if message["connected"]:
            self._ping_deadline = now + self._ping_timeout
        else:
            self.leader(self.master, now)

    def _from_master(self, name: str, message: Values, now: float) -> Sends:
        match name:
            case "SlaveRegisteredMessage" | "SlaveReregisteredMessage":
                yield from self._registered(message, now)
            case "ShutdownMessage":
                self._end(message.get("message", ""))
            case "DrainSlaveMessage":
                self.draining = True
                self.tasks.drain(message["config"], now)
            case "RunTaskMessage" if self.agent_id is not None:
                yield self._status_update(self.tasks.run(message, self.agent_id, now))
            case "KillTaskMessage":
                self.tasks.kill(message, now)
            case "StatusUpdateAcknowledgementMessage":
                self.tasks.acknowledge(message["uuid"])
            case "ShutdownFrameworkMessage":
                self.tasks.remove_framework(message["framework_id"]["value"])
            case _:
                pass  # resources to be checkpointed: a simulated agent has no others

    def _registered(self, message: Values, now: float) -> Sends:
        agent_id = message["slave_id"]["value"]
        if self.agent_id is not None and agent_id != self.agent_id:
            return  # the answer to a registration that a later one has replaced
        self.agent_id = agent_id
        self._registration = None
        connection = message.get("connection", {})
        self._ping_timeout = connection.get(
            "total_ping_timeout_seconds", _DEFAULT_PING_TIMEOUT_SECONDS
        )
        self._ping_deadline = now + self._ping_timeout
        self._attempt_at = None
        if self.phase is not Phase.REGISTERED:
            self.phase = Phase.REGISTERED
            yield self._send(
                "UpdateSlaveMessage",
                {
                    "slave_id": self._id(),
                    "update_oversubscribed_resources": False,
                    "resource_version_uuid": {"value": self._resource_version},
                },
            )

    def _attempt(self, now: float) -> Send:
        self._attempts += 1
        longest = min(self._backoff * 2 ** (self._attempts - 1), _MAX_BACKOFF_SECONDS)
        self._attempt_at = now + self._random.uniform(0, longest)
        self.draining = False
        name = "RegisterSlaveMessage" if self.agent_id is None else "ReregisterSlaveMessage"
        if self._registration is None:
            self._registration = encode(name, self._registration_values())
        body = self._registration
        if len(self.tasks):
            self._registration = None
        assert self.master is not None
        return Send(self.master, name, body)

    def _registration_values(self) -> Values:
        common: Values = {
            "slave": self.description.slave_info(self.agent_id),
            "version": self.description.version,
            "agent_capabilities": self.description.agent_capabilities(),
            "resource_version_uuid": {"value": self._resource_version},
        }
        if self.agent_id is None:
            return common
        tasks = self.tasks.described(self.agent_id)
        return {**common, "tasks": tasks, "frameworks": self.tasks.frameworks()}

    def _status_update(self, update: Values) -> Send:
        return self._send("StatusUpdateMessage", {"update": update, "pid": str(self.pid)})

    def _send(self, name: str, values: Values) -> Send:
        assert self.master is not None
        return Send(self.master, name, encode(name, values))

    def _id(self) -> Values:
        return {"value": self.agent_id}

    def _end(self, reason: str | None) -> None:
        self.phase = Phase.ENDED
        self.ended_by = reason
        self._attempt_at = self._ping_deadline = None
        self.tasks.clear()
