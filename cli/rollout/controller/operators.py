"""What operators ask a controller for, made changes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rollout.core import host_states, rollout_states
from rollout.core.actions import Move
from rollout.core.host_states import HostEvent, HostState
from rollout.core.rollout_states import PauseReason, RolloutEvent, RolloutState
from rollout.records.documents import Head, HostRecord, Wishes


@dataclass(frozen=True)
class Changes:
    """hosts: what they are to be told. promoted: as in the head."""

    hosts: tuple[tuple[HostRecord, HostEvent], ...] = ()
    promoted: int = 0
    move: Move | None = field(default=None)


def obey(wishes: Wishes, head: Head, hosts: Sequence[HostRecord]) -> Changes:
    """What the wishes come to. What can't be, in the state that the rollout is in, is passed
    over."""
    promoted = max(head.promoted, wishes.promote)
    again = tuple(retried(hosts, failed=wishes.retry_failed, absent=wishes.retry_absent))
    retries = bool(again) and head.state is not RolloutState.ABORTING
    return Changes(again if retries else (), promoted, _move(wishes, head, promoted, bool(again)))


def retried(
    hosts: Sequence[HostRecord], *, failed: bool, absent: bool
) -> list[tuple[HostRecord, HostEvent]]:
    """The hosts that are to be tried again, and by which event. absent: those, too, that nothing
    was begun on."""
    states: set[HostState] = set()
    states |= host_states.FAILURES if failed else set()
    states |= host_states.MISSED if absent else set()
    return [
        (each, HostEvent.RETURN if each.progress.open else HostEvent.RETRY)
        for each in hosts
        if each.progress.state in states and not each.progress.taken
    ]


def resumption(head: Head) -> RolloutEvent:
    """What ends a pause of this rollout."""
    return RolloutEvent.RESUME if head.undoes is None else RolloutEvent.RESUME_UNDO


def waits_for_promotion(head: Head) -> bool:
    """Whether it is paused for a person to look at a batch."""
    return head.state is RolloutState.PAUSED and head.pause is PauseReason.PROMOTE


def _move(wishes: Wishes, head: Head, promoted: int, again: bool) -> Move | None:
    if wishes.abort and RolloutEvent.ABORT in rollout_states.TRANSITIONS[head.state]:
        return Move(RolloutEvent.ABORT, words="an operator has aborted it")
    if wishes.pause and RolloutEvent.PAUSE in rollout_states.TRANSITIONS[head.state]:
        return Move(RolloutEvent.PAUSE, PauseReason.OPERATOR, "an operator has paused it")
    if head.state is not RolloutState.PAUSED:
        return None
    promotes = waits_for_promotion(head) and promoted > head.promoted
    resumes = (wishes.resume or again) and not waits_for_promotion(head)
    return Move(resumption(head)) if promotes or resumes else None
