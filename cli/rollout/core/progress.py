"""How far a host and its rollout have got: what the record keeps, and what was seen beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout.core.batches import Batch
from rollout.core.budgets import Budgets, budgets
from rollout.core.host_states import (
    APPLIES,
    OPEN_ENDS,
    UNAVAILABLE,
    HostEvent,
    HostState,
    after,
)
from rollout.core.registry import Drain
from rollout.core.rollout_states import RolloutState
from rollout.core.strategy import DrainMode, Late, Lost, OnDeadline, OnFailure, Strategy

GATED = frozenset({HostState.VERIFYING, HostState.SOAKING})


@dataclass(frozen=True)
class HostProgress:
    """One host.

    staged: what it needs is on it. attempt: the last apply of this revision that was asked for,
    from 1. before: how many of those don't count against the strategy's attempts. taken: this
    rollout deactivated or drained it, and has to take that back. open: the host has not said yet
    what became of that attempt. cause: why it failed or was passed over. at_gate: whether it failed
    at its gate.
    """

    host: str
    state: HostState = HostState.WAITING
    staged: bool = False
    stage_failures: int = 0
    attempt: int = 0
    before: int = 0
    taken: bool = False
    open: bool = False
    cause: str = ""
    at_gate: bool = False

    def told(self, event: HostEvent, cause: str = "") -> HostProgress:
        """The host after the event. Raises Impossible."""
        state = after(self.state, event)
        is_open = self.open and (self.state not in APPLIES or event in OPEN_ENDS)
        changed = replace(self, state=state, cause=cause or self.cause, open=is_open)
        match event:
            case HostEvent.STAGED:
                return replace(changed, staged=True, cause="")
            case HostEvent.ATTEMPT_FAILED if self.state is HostState.STAGING:
                return replace(changed, stage_failures=self.stage_failures + 1)
            case HostEvent.APPLY:
                return replace(changed, attempt=self.attempt + 1, open=True)
            case HostEvent.NOT_BEGUN:  # its number is used up all the same
                return replace(changed, before=self.before + 1)
            case HostEvent.VERIFIED:
                return replace(changed, cause="")
            case HostEvent.FAIL:
                return replace(changed, at_gate=self.state in GATED)
            case HostEvent.RETRY:  # numbers go on: what is queued of an old one must not run late
                return HostProgress(
                    self.host, state, attempt=self.attempt, before=self.attempt, taken=self.taken
                )
            case HostEvent.RETURN:
                return replace(changed, before=max(0, self.attempt - 1), cause="", at_gate=False)
        return changed

    @property
    def is_between_attempts(self) -> bool:
        """Whether an attempt has failed, and the next one was not begun."""
        waits = self.state in (HostState.STAGING, HostState.DRAINING)
        return waits and self.attempt > self.before

    @property
    def is_unavailable(self) -> bool:
        """Whether its tasks suffer by this rollout, or may."""
        return self.state in UNAVAILABLE or self.is_between_attempts

    def again(self) -> HostProgress:
        """The host at the beginning of another try. Raises Impossible for one that is not at an end
        which can be left."""
        return self.told(HostEvent.RETURN if self.open else HostEvent.RETRY)


@dataclass(frozen=True)
class Observed:
    """What the master was seen to say of a host. deactivated: whoever did it. idle: no task of its
    uses anything."""

    connected: bool = True
    deactivated: bool = False
    drain: Drain | None = None
    idle: bool = False


@dataclass(frozen=True)
class Rules:
    """What of a strategy decides over the next step. promote_after: 0 for no waiting."""

    budgets: Budgets
    attempts: int = 2
    drain: DrainMode = DrainMode.NONE
    on_drain_deadline: OnDeadline = OnDeadline.SKIP
    lost: Lost = Lost.FAIL
    late: Late = Late.JOIN
    on_failure: OnFailure = OnFailure.PAUSE
    promote_after: int = 0


def rules_of(strategy: Strategy, hosts: int) -> Rules:
    """What of the strategy decides, for so many hosts. Raises NothingLeft."""
    return Rules(
        budgets(strategy, hosts),
        strategy.attempts,
        strategy.drain.mode,
        strategy.drain.on_deadline,
        strategy.absent.lost,
        strategy.absent.late,
        strategy.on_failure,
        strategy.promote.after if strategy.promote.manual else 0,
    )


@dataclass(frozen=True)
class Situation:
    """All that a decision is made of.

    hosts: in the order of their turns. promoted: so many batches may be followed by the next.
    observed: who is not in it is in no list of the master's. The rest is what only the controller
    that runs now knows: busy: hosts that a request of its own is under way for; overdue: hosts that
    are past the deadline of what they are at; soaked: hosts that stayed well for long enough;
    worse: hosts that are not well any more, with the cause; late: the rollout's own deadline that
    has passed, in words.
    """

    state: RolloutState
    rules: Rules
    batches: tuple[Batch, ...]
    hosts: tuple[HostProgress, ...]
    promoted: int = 0
    observed: Mapping[str, Observed] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    overdue: frozenset[str] = frozenset()
    soaked: frozenset[str] = frozenset()
    worse: Mapping[str, str] = field(default_factory=dict)
    late: str = ""

    @property
    def unavailable(self) -> frozenset[str]:
        """The hosts that are unavailable, whatever the cause."""
        return frozenset(
            each.host
            for each in self.hosts
            if each.is_unavailable or not self.is_available(each.host)
        )

    def is_available(self, host: str) -> bool:
        """Whether the master could give it tasks."""
        seen = self.observed.get(host)
        return seen is not None and seen.connected and not seen.deactivated

    def is_there(self, host: str) -> bool:
        """Whether it can be asked for anything, as far as the master tells."""
        seen = self.observed.get(host)
        return seen is not None and seen.connected
