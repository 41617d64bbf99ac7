"""What the master knows of its agents at one moment.

Agents that are unreachable or gone are in no list: that one is missing here says nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Drain(StrEnum):
    """How far the draining of an agent has got."""

    DRAINING = "DRAINING"
    DRAINED = "DRAINED"


@dataclass(frozen=True, order=True)
class HostId:
    """What a host is known by. Its agent id is not: that changes. address: `IP:PORT` of its pid."""

    hostname: str
    address: str

    def __str__(self) -> str:
        return f"{self.hostname}@{self.address}"

    @classmethod
    def parse(cls, text: str) -> HostId:
        """The id that `str` made this text of. Raises ValueError."""
        hostname, at, address = text.rpartition("@")
        if not at:
            raise ValueError(f"{text!r} is not HOSTNAME@IP:PORT")
        return cls(hostname, address)


def hostname(host: str) -> str:
    """What people call a host: of a `HostId` as text its hostname, of a hostname itself."""
    return host.rpartition("@")[0] or host


def attribute_text(value: str | float) -> str:
    """An attribute as text, which is compared: 2.0 is 2."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True)
class Placement:
    """Where a host is and what it is for, as its agent's flags say. attributes: see
    `attribute_text`."""

    region: str | None = None
    zone: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def fault_domain(self) -> tuple[str, str] | None:
        """Region and zone; zones of two regions may have one name."""
        return None if self.region is None or self.zone is None else (self.region, self.zone)


@dataclass(frozen=True)
class Agent:
    """An agent that is registered. active: takes offers; false too while it is disconnected.
    deactivated: somebody said so; whether it is connected is then not to be seen. idle:
    no task of its uses anything."""

    agent_id: str
    host: HostId
    placement: Placement
    active: bool = True
    deactivated: bool = False
    drain: Drain | None = None
    idle: bool = False

    @property
    def is_disconnected(self) -> bool:
        """Whether the master has lost its connection, as far as it tells."""
        return not self.active and not self.deactivated


@dataclass(frozen=True)
class RecoveredAgent:
    """An agent of which a new master knows only that it was there: not gone, not yet back. Its
    address is not known, only its port."""

    agent_id: str
    hostname: str
    port: int
    placement: Placement


@dataclass(frozen=True)
class Registry:
    """The agents of a master that leads and has recovered."""

    agents: tuple[Agent, ...] = ()
    recovered: tuple[RecoveredAgent, ...] = ()
