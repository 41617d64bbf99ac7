"""What can be done next. Who carries one out writes it down first."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.core.host_states import HostEvent
from rollout.core.rollout_states import PauseReason, RolloutEvent


@dataclass(frozen=True)
class Stage:
    """Ask the host to fetch and verify what it will need."""

    host: str


@dataclass(frozen=True)
class Free:
    """Begin the host's part. take: have the master deactivate or drain it, and take it back
    later; somebody else's deactivation is neither repeated nor undone."""

    host: str
    take: bool


@dataclass(frozen=True)
class DrainAgain:
    """Repeat the call to the master that takes the host."""

    host: str


@dataclass(frozen=True)
class Apply:
    """Ask the host for its apply, with this attempt's number."""

    host: str
    attempt: int


@dataclass(frozen=True)
class Ask:
    """Ask the host what became of its last attempt."""

    host: str


@dataclass(frozen=True)
class Verify:
    """Ask the host, and whoever else the strategy names, whether its gate holds."""

    host: str


@dataclass(frozen=True)
class Watch:
    """Ask a soaking host now and then whether it is still well."""

    host: str


@dataclass(frozen=True)
class Reactivate:
    """Have the master give the host tasks again."""

    host: str


@dataclass(frozen=True)
class Note:
    """Nothing but a change of a host's state."""

    host: str
    event: HostEvent
    cause: str = ""


@dataclass(frozen=True)
class Move:
    """A change of the rollout's state."""

    event: RolloutEvent
    reason: PauseReason | None = None
    words: str = ""


Action = Stage | Free | DrainAgain | Apply | Ask | Verify | Watch | Reactivate | Note | Move
