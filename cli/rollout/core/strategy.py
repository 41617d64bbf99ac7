"""A strategy: how a profile is to get onto the hosts. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rollout.core.amounts import ALL, Amount, Count, Percentage

NO, ONE = Count(0), Count(1)


class Spread(StrEnum):
    """By what neighbours in the order of hosts are kept apart."""

    ZONE = "zone"
    NONE = "none"


class DrainMode(StrEnum):
    """What is done with the tasks of a host before its apply."""

    NONE = "none"
    DEACTIVATE = "deactivate"  # it gets no new ones
    DRAIN = "drain"  # and those that it has are ended


class OnDeadline(StrEnum):
    """What becomes of a host that was not drained in time."""

    SKIP = "skip"
    FAIL = "fail"


class GateStatus(StrEnum):
    """How provisioner's status is asked for before a host counts as done."""

    FULL = "full"
    QUICK = "quick"
    NONE = "none"


class AtStart(StrEnum):
    """What becomes of selected hosts that are not there at the start."""

    EXCLUDE = "exclude"
    WAIT = "wait"
    REFUSE = "refuse"


class Late(StrEnum):
    """What becomes of hosts that come after the start."""

    JOIN = "join"
    IGNORE = "ignore"


class Lost(StrEnum):
    """What becomes of hosts that vanish in the middle of their part."""

    FAIL = "fail"
    ABSENT = "absent"


class OnFailure(StrEnum):
    """What is done when more hosts have failed than may."""

    PAUSE = "pause"
    ABORT = "abort"


@dataclass(frozen=True)
class Select:
    """Which hosts. Every condition that is there must hold. zones, hostnames: one of them.
    at_least: fewer are refused."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    zones: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    at_least: int | None = None


@dataclass(frozen=True)
class Order:
    spread: Spread = Spread.ZONE
    seed: int = 0


@dataclass(frozen=True)
class Promote:
    """manual: whether a person is waited for. after: behind which batch, counted from 1."""

    after: int = 1
    manual: bool = False


@dataclass(frozen=True)
class DrainRules:
    mode: DrainMode = DrainMode.NONE
    grace: float = 600
    deadline: float = 1800
    on_deadline: OnDeadline = OnDeadline.SKIP


@dataclass(frozen=True)
class HttpCheck:
    """A request that must be answered with `status`. `{hostname}` and `{ip}` in the URL are the
    host's."""

    url: str
    status: int = 200
    contains: str | None = None


@dataclass(frozen=True)
class Gate:
    """What must hold before a host counts as done. command: argv, run by the controller."""

    status: GateStatus = GateStatus.FULL
    checks: bool = True
    http: tuple[HttpCheck, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deadlines:
    """apply: of one host. progress: without any host getting further. rollout: of all of it."""

    apply: float = 1800
    progress: float = 3600
    rollout: float = 86400


@dataclass(frozen=True)
class Absent:
    at_start: AtStart = AtStart.EXCLUDE
    late: Late = Late.JOIN
    lost: Lost = Lost.FAIL


@dataclass(frozen=True)
class Strategy:
    """A whole strategy. masters: `zk://…`, or URLs. max_unavailable, max_failures: budgets."""

    name: str
    profile: str
    masters: tuple[str, ...]
    select: Select = Select()
    order: Order = Order()
    batches: tuple[Amount, ...] = (ONE, Percentage(10_000), ALL)
    promote: Promote = Promote()
    concurrency: int = 50
    max_unavailable: Amount = ONE
    max_failures: Amount = NO
    attempts: int = 2
    stage_concurrency: int = 50
    drain: DrainRules = DrainRules()
    gate: Gate = Gate()
    soak: float = 300
    deadline: Deadlines = Deadlines()
    absent: Absent = Absent()
    on_failure: OnFailure = OnFailure.PAUSE

    @property
    def has_percentages(self) -> bool:
        """Whether the number of hosts decides over anything."""
        amounts = (*self.batches[:-1], self.max_unavailable, self.max_failures)
        return any(isinstance(each, Percentage) for each in amounts)
