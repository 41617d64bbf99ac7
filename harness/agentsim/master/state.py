"""What a master knows: the registry, which outlives it, and what it has in memory.

The names are Mesos's own: *admitted* agents are in the registry, *registered* ones have spoken to
this master, *recovered* ones were admitted by the master before it and have not come back yet.

Source: Mesos `master/master.hpp` (`Master::Slaves`), `master/registry.proto`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentsim.mesos.actor_message import Pid
from agentsim.mesos.wire_format import Values

#: A machine in a maintenance schedule: hostname and address.
MachineId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """The flags of a master; seconds.

    Attributes:
        version: of Mesos, that it says it has.
        domain: region and zone; agents with a domain are ignored by a master without one.
        ping_seconds, max_ping_timeouts: how often agents are pinged, and how many pings in a row
            may stay unanswered.
        reregister_seconds: how long a disconnected or recovered agent has to come back.
        cluster: its name.
    """

    version: str = "1.12.0"
    domain: tuple[str, str] | None = ("eu", "z0")
    ping_seconds: float = 15.0
    max_ping_timeouts: int = 5
    reregister_seconds: float = 600.0
    cluster: str = "simulated"


@dataclass(slots=True)
class Drain:
    """A drain: `state` is DRAINING or DRAINED, `config` the message DrainConfig."""

    state: str
    config: Values

    def copy(self) -> Drain:
        """One that changes by itself."""
        return Drain(self.state, self.config)


@dataclass(slots=True)
class Standing:
    """What the registry keeps of an agent: its SlaveInfo, and what operators did to it."""

    info: Values
    deactivated: bool = False
    drain: Drain | None = None


@dataclass(slots=True)
class Registry:
    """What outlives a master: in a cluster the replicated log has it.

    Attributes:
        admitted, unreachable: agents by id.
        gone: ids.
        schedule: machines in the maintenance schedule.
    """

    admitted: dict[str, Standing] = field(default_factory=dict)
    unreachable: dict[str, Standing] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    schedule: list[MachineId] = field(default_factory=list)

    def standing(self, agent_id: str) -> Standing | None:
        """Of an admitted or unreachable agent."""
        return self.admitted.get(agent_id) or self.unreachable.get(agent_id)


@dataclass(slots=True)
class Task:
    """A task that a master has launched on an agent."""

    name: str
    framework_id: str
    resources: list[Values]
    state: str = "TASK_STAGING"


@dataclass(slots=True)
class Registered:
    """An agent that has spoken to this master.

    Attributes:
        info: its SlaveInfo.
        connected: whether the connection to it stands.
        active: whether it gets offers: connected and not deactivated.
        observer: the number of the actor that pings it.
        registered_time, reregistered_time, drain_start_time: seconds since the epoch.
        tasks: by framework and task id.
        reregister_by: when a disconnected one becomes unreachable.
    """

    id: str
    info: Values
    pid: Pid
    version: str
    capabilities: Sequence[str]
    registered_time: float
    observer: int
    connected: bool = True
    active: bool = True
    reregistered_time: float | None = None
    drain_start_time: float | None = None
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    reregister_by: float | None = None

    @property
    def machine(self) -> MachineId:
        """The machine that it is on, as maintenance names it."""
        return self.info["hostname"], self.pid.ip


@dataclass(slots=True)
class Observer:
    """What pings an agent.

    Attributes:
        pinged: whether the last ping is not answered.
        timeouts: how many in a row were not.
        due: when the next one is.
    """

    agent_id: str
    due: float
    pinged: bool = False
    timeouts: int = 0


@dataclass(frozen=True, slots=True)
class Tell:
    """A message that is to be sent to an agent.

    Attributes:
        observer: the number of the actor that sends it; None: the master itself.
    """

    receiver: Pid
    name: str
    message: Values
    observer: int | None = None


@dataclass(slots=True)
class State:
    """All that one leading master knows, from its election on.

    Attributes:
        registered: in the order of their registration.
        recovered: SlaveInfos by id.
        deactivated, draining: kept as a master keeps them in memory, beside the registry.
        by_address: the ids of registered agents by their `<ip>:<port>`.
        recovered_by: when the recovered ones become unreachable.
        pings, expiries: heaps of when an observer pings, and of when a disconnected agent becomes
            unreachable; entries that are out of date are passed over.
        start_time, elected_time: seconds since the epoch.
    """

    id: str
    pid: Pid
    settings: Settings
    registry: Registry
    start_time: float
    elected_time: float
    registered: dict[str, Registered] = field(default_factory=dict)
    by_address: dict[str, str] = field(default_factory=dict)
    recovered: dict[str, Values] = field(default_factory=dict)
    deactivated: set[str] = field(default_factory=set)
    draining: dict[str, Drain] = field(default_factory=dict)
    observers: dict[int, Observer] = field(default_factory=dict)
    recovered_by: float | None = None
    pings: list[tuple[float, int]] = field(default_factory=list)
    expiries: list[tuple[float, str]] = field(default_factory=list)
    next_agent: int = 0
    next_observer: int = 1

    def at(self, pid: Pid) -> Registered | None:
        """The registered agent at an address."""
        agent_id = self.by_address.get(pid.authority)
        return None if agent_id is None else self.registered[agent_id]


def recover(
    master_id: str,
    pid: Pid,
    settings: Settings,
    registry: Registry,
    *,
    start_time: float,
    elected_time: float,
    now: float,
) -> State:
    """The state of a master that has just read the registry.

    Args:
        start_time, elected_time: seconds since the epoch.
        now: seconds of a clock that never jumps.
    """
    state = State(master_id, pid, settings, registry, start_time, elected_time)
    for agent_id, standing in (*registry.admitted.items(), *registry.unreachable.items()):
        if standing.deactivated:
            state.deactivated.add(agent_id)
        if standing.drain is not None:
            state.draining[agent_id] = standing.drain.copy()
    state.recovered = {agent_id: each.info for agent_id, each in registry.admitted.items()}
    state.recovered_by = now + settings.reregister_seconds if state.recovered else None
    return state
