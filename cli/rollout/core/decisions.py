"""What is to be done next: one function from a situation to actions.

It is level-triggered: it looks at where everything is, not at how it got there. So it does not
matter whether the controller that asks is the one that began, and asking twice is asking once, as
long as what was begun is in `busy` or in the state of its host.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollout.core import host_states, rollout_states
from rollout.core.actions import (
    Action,
    Apply,
    Ask,
    DrainAgain,
    Free,
    Move,
    Note,
    Reactivate,
    Stage,
    Verify,
    Watch,
)
from rollout.core.host_states import HostEvent, HostState
from rollout.core.progress import HostProgress, Rules, Situation
from rollout.core.registry import Drain
from rollout.core.rollout_states import PauseReason, RolloutEvent, RolloutState
from rollout.core.strategy import DrainMode, Late, Lost, OnDeadline, OnFailure

# What this rollout has taken is given back here.
TAKEN_BACK = host_states.ENDED | {HostState.STAGING, HostState.REACTIVATING}


def decide(situation: Situation) -> tuple[Action, ...]:
    """The actions that are right now, in this order. A change of the rollout's state comes alone or
    last; nothing is begun beside it."""
    state = situation.state
    if state in (RolloutState.PLANNED, *rollout_states.ENDED):
        return ()
    found = [*_continued(situation)]
    noted = {each.host for each in found if isinstance(each, Note)}
    move = _move(situation, changing=bool(noted))
    if move is not None:
        return (*found, move)
    if state in rollout_states.BEGINS:
        found += _begun(situation, noted)
    return tuple(found)


def verdict(
    host: HostProgress, rules: Rules, *, rolled_back: bool = False, final: bool = False
) -> HostEvent:
    """What a failure of the host means: that it is tried again, or its end.

    rolled_back: it says that it went back by itself. final: that another attempt can't help.
    """
    tried = host.attempt - host.before
    if host.state is HostState.STAGING:
        tried = host.stage_failures + 1
    retriable = HostEvent.ATTEMPT_FAILED in host_states.TRANSITIONS[host.state]
    if retriable and not final and tried < rules.attempts:
        return HostEvent.ATTEMPT_FAILED
    return HostEvent.ROLL_BACK if rolled_back else HostEvent.FAIL


def batch_number(situation: Situation) -> int:
    """Which batch is under way, from 1: the first one of which a host has not ended."""
    for number, batch in enumerate(situation.batches, 1):
        if any(each.state not in host_states.ENDED for each in situation.hosts[: batch.hosts]):
            return number
    return len(situation.batches)


def _continued(situation: Situation) -> Iterator[Action]:
    """What goes on in every state of the rollout: nothing here begins anything on a host."""
    for host in situation.hosts:
        if host.host in situation.busy:
            continue
        if situation.state is RolloutState.ABORTING:
            action = _aborted(host) or _next(situation, host)
        else:
            action = _next(situation, host)
        if action is not None:
            yield action


def _next(situation: Situation, host: HostProgress) -> Action | None:
    name, overdue = host.host, host.host in situation.overdue
    match host.state:
        case HostState.WAITING if overdue and not situation.is_there(name):
            return Note(name, HostEvent.MISS, "it was not there when its turn came")
        case HostState.STAGING if overdue and not situation.is_there(name):
            return Note(name, HostEvent.MISS, "it vanished before anything was changed on it")
        case HostState.STAGING if overdue and not host.staged:
            return Note(name, HostEvent.FAIL, host.cause or "it was not staged in time")
        case HostState.DRAINING if situation.state is RolloutState.PAUSED:
            return Note(name, HostEvent.GIVE_BACK)  # for a pause may be long
        case HostState.DRAINING if overdue and not _is_free(situation, host):
            return _drained_too_late(situation, host)
        case HostState.APPLYING:  # nobody waits for its answer
            return Note(name, HostEvent.CUT, "its answer was lost")
        case HostState.UNKNOWN if overdue:
            lost = HostEvent.LOSE if situation.rules.lost is Lost.FAIL else HostEvent.MISS
            return Note(name, lost, "it vanished while it was applying")
        case HostState.UNKNOWN:
            return Ask(name)
        case HostState.VERIFYING if overdue:
            return Note(name, HostEvent.FAIL, "it does not tell whether it is well")
        case HostState.VERIFYING:
            return Verify(name)
        case HostState.REACTIVATING if not host.taken:
            return Note(name, HostEvent.REACTIVATED)
        case HostState.SOAKING if name in situation.worse:
            return Note(name, HostEvent.FAIL, situation.worse[name])
        case HostState.SOAKING if name in situation.soaked:
            return Note(name, HostEvent.SOAKED)
        case HostState.SOAKING:
            return Watch(name)
        case HostState.ABSENT if _may_join(situation, host):
            return Note(name, HostEvent.RETURN if host.open else HostEvent.RETRY)
    if host.taken and host.state in TAKEN_BACK:
        return Reactivate(name)
    return None


def _may_join(situation: Situation, host: HostProgress) -> bool:
    wanted = situation.rules.late is Late.JOIN and situation.state in rollout_states.BEGINS
    return wanted and not host.taken and situation.is_there(host.host)


def _aborted(host: HostProgress) -> Action | None:
    if HostEvent.ABORT not in host_states.TRANSITIONS[host.state]:
        return None
    if host.state is not HostState.WAITING and host.attempt > host.before:
        event = HostEvent.ABORT if host.state is HostState.SOAKING else HostEvent.FAIL
        return Note(host.host, event, host.cause)  # an attempt has failed: not "skipped"
    return Note(host.host, HostEvent.ABORT, "" if host.state is HostState.SOAKING else "aborted")


def _drained_too_late(situation: Situation, host: HostProgress) -> Action:
    skip = situation.rules.on_drain_deadline is OnDeadline.SKIP and host.attempt == host.before
    event = HostEvent.SKIP if skip else HostEvent.FAIL
    return Note(host.host, event, "it was not drained in time")


def _move(situation: Situation, *, changing: bool) -> Move | None:
    """A change of the rollout's state, if one is due. changing: whether hosts are about to move on,
    maybe away from their end."""
    hosts, rules = situation.hosts, situation.rules
    if all(each.state in host_states.ENDED and not each.taken for each in hosts):
        return None if changing else _finished(situation)
    if situation.state not in rollout_states.BEGINS:
        return None
    failed = [each for each in hosts if each.state in host_states.FAILURES]
    if len(failed) > rules.budgets.failures:
        words = f"{len(failed)} hosts have failed, {rules.budgets.failures} may"
        if rules.on_failure is OnFailure.ABORT:
            return Move(RolloutEvent.ABORT, words=words)
        at_gate = all(each.at_gate for each in failed)
        return Move(RolloutEvent.PAUSE, PauseReason.GATE if at_gate else PauseReason.BUDGET, words)
    unwell = sum(each.state is HostState.FAILED for each in hosts)
    tried = sum(each.is_between_attempts for each in hosts)
    room = rules.budgets.unavailable
    if unwell and (unwell >= room or unwell + tried > room):
        words = f"failed hosts use up what may be unavailable: {unwell + tried} of {room}"
        return Move(RolloutEvent.PAUSE, PauseReason.BUDGET, words)
    if situation.late:
        return Move(RolloutEvent.PAUSE, PauseReason.DEADLINE, situation.late)
    number = batch_number(situation)
    if situation.promoted < rules.promote_after < number:
        words = f"batch {rules.promote_after} is done and waits to be promoted"
        return Move(RolloutEvent.PAUSE, PauseReason.PROMOTE, words)
    return None


def _finished(situation: Situation) -> Move | None:
    if situation.state is RolloutState.ABORTING:
        return Move(RolloutEvent.ABORTED)
    if situation.state not in rollout_states.BEGINS:  # it may be continued, or aborted
        return None
    states = {each.state for each in situation.hosts}
    if states & host_states.FAILURES:
        return Move(RolloutEvent.FINISH_WITH_FAILURES)
    absent = bool(states & host_states.MISSED)
    return Move(RolloutEvent.FINISH_WITH_ABSENT if absent else RolloutEvent.FINISH)


def _begun(situation: Situation, noted: set[str]) -> Iterator[Action]:
    """What is begun on hosts: never more at once than the budgets allow, whatever of the hosts'
    unavailability is this rollout's doing."""
    budgets = situation.rules.budgets
    unavailable = set(situation.unavailable)
    # Others may have become unavailable since these were begun; two would wait for each other.
    excess = len(unavailable) - budgets.unavailable
    for host in reversed(situation.hosts):
        can = host.state is HostState.DRAINING and not host.is_between_attempts
        if excess > 0 and can and host.host not in (situation.busy | noted):
            noted.add(host.host)
            excess -= 1
            yield Note(host.host, HostEvent.GIVE_BACK)
    applies = sum(each.state in host_states.APPLIES for each in situation.hosts)
    stages = sum(_is_staging(each) and each.host in situation.busy for each in situation.hosts)
    open_hosts = situation.batches[batch_number(situation) - 1].hosts
    for host in situation.hosts[:open_hosts]:
        name = host.host
        if name in situation.busy or name in noted or not situation.is_there(name):
            continue
        has_room = len(unavailable | {name}) <= budgets.unavailable
        match host.state:
            case HostState.WAITING | HostState.STAGING if not host.staged:
                if stages < budgets.stages:
                    stages += 1
                    yield Stage(name)
            case HostState.STAGING if has_room and not host.taken:
                unavailable.add(name)
                yield Free(name, take=_is_to_be_taken(situation, name))
            case HostState.DRAINING if host.taken and not _is_taken(situation, host):
                yield DrainAgain(name)
            case HostState.DRAINING if has_room and _is_free(situation, host):
                if applies < budgets.applies:
                    applies += 1
                    yield Apply(name, host.attempt + 1)


def _is_staging(host: HostProgress) -> bool:
    return host.state is HostState.STAGING and not host.staged


def _is_to_be_taken(situation: Situation, name: str) -> bool:
    wanted = situation.rules.drain is not DrainMode.NONE
    return wanted and not situation.observed[name].deactivated


def _is_taken(situation: Situation, host: HostProgress) -> bool:
    """Whether the master says what this rollout asked it for."""
    seen = situation.observed[host.host]
    if situation.rules.drain is DrainMode.DEACTIVATE:
        return seen.deactivated
    # One whose framework went first stays DRAINING for ever, until it is drained again.
    return seen.drain is Drain.DRAINED or (seen.drain is Drain.DRAINING and not seen.idle)


def _is_free(situation: Situation, host: HostProgress) -> bool:
    """Whether the apply of a host that is being freed may begin."""
    seen = situation.observed.get(host.host)
    if seen is None:
        return False
    match situation.rules.drain:
        case DrainMode.NONE:
            return True
        case DrainMode.DEACTIVATE:
            return seen.deactivated
        case DrainMode.DRAIN:
            return seen.deactivated and seen.drain is Drain.DRAINED
