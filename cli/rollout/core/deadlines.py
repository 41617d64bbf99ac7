"""What is late. Times are seconds of `attended`, but where said."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.core.host_states import HostState
from rollout.core.progress import HostProgress
from rollout.core.strategy import Strategy

# For so long a new master waits for the agents that it recovered, too.
MISSING_SECONDS = 600.0


@dataclass(frozen=True)
class Wait:
    """How long a host has waited. since: it is in its state. missing: the master, while it was to
    be believed, has not listed it; None: it does. silent: it did not answer when it was last
    asked."""

    since: float
    missing: float | None = None
    silent: bool = False


def is_overdue(host: HostProgress, wait: Wait, strategy: Strategy) -> bool:
    """Whether the host is past the deadline of what it is at."""
    limits = strategy.deadline
    missing = wait.missing is not None and wait.missing > min(MISSING_SECONDS, limits.apply)
    match host.state:
        case HostState.WAITING:
            return missing
        case HostState.STAGING:
            return missing or (not host.staged and wait.since > limits.apply)
        case HostState.DRAINING:
            return wait.since > strategy.drain.deadline
        case HostState.UNKNOWN | HostState.VERIFYING:
            return wait.silent and wait.since > limits.apply
    return False


def lateness(strategy: Strategy, *, elapsed: float, idle: float) -> str:
    """The rollout's own deadline that has passed, in words; empty: none has. elapsed: without
    pauses. idle: no host has got any further."""
    limits = strategy.deadline
    if elapsed > limits.rollout:
        return f"it has run for longer than deadline.rollout, {limits.rollout:g} s"
    if idle > limits.progress:
        return f"no host got any further for deadline.progress, {limits.progress:g} s"
    return ""
