"""What holds of every rollout, whatever hosts, operators and crashes do.

That nothing is begun beyond a budget, no host is asked for two applies at once, and batches keep
their order is asserted by `imagined_rollout` at each decision.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout.core import host_states, rollout_states
from rollout.core.amounts import ALL, Amount, Count, Percentage
from rollout.core.batches import plan_batches
from rollout.core.budgets import Budgets
from rollout.core.decisions import decide
from rollout.core.host_states import HostEvent, HostState, Impossible
from rollout.core.ordering import ordered
from rollout.core.progress import HostProgress, Rules
from rollout.core.rollout_states import PauseReason, RolloutEvent, RolloutState
from rollout.core.strategy import DrainMode, Late, Lost, OnDeadline, OnFailure, Order

from tests.rollout.core.clusters import agent
from tests.rollout.core.imagined_rollout import Imagined, Nature

AMOUNTS: list[Amount] = [Count(1), Percentage(30_000), ALL]
AGAIN = {HostEvent.RETRY, HostEvent.RETURN}
FAR_TOO_LONG = 2_000  # turns
ENDS = {
    Nature.BAD: HostState.FAILED,
    Nature.GOES_BACK: HostState.ROLLED_BACK,
    Nature.BAD_GATE: HostState.FAILED,
    Nature.GETS_WORSE: HostState.FAILED,
}


def rules(draw: st.DrawFn, hosts: int, *, failures: int, room: int) -> Rules:
    return Rules(
        Budgets(
            draw(st.integers(room, hosts + 1)),
            failures,
            draw(st.integers(1, hosts)),
            draw(st.integers(1, hosts)),
        ),
        attempts=2,
        drain=draw(st.sampled_from(DrainMode)),
        on_drain_deadline=draw(st.sampled_from(OnDeadline)),
        lost=draw(st.sampled_from(Lost)),
        late=draw(st.sampled_from(Late)),
        on_failure=draw(st.sampled_from(OnFailure)),
        promote_after=draw(st.integers(0, 2)),
    )


@st.composite
def rollouts(draw: st.DrawFn, *, all_may_fail: bool = False) -> Imagined:
    natures = draw(st.lists(st.sampled_from(Nature), min_size=1, max_size=9))
    count = len(natures)
    failures = count if all_may_fail else draw(st.integers(0, count))
    # Failed hosts may be unwell, so they use up the other budget too.
    unwell = {*ENDS, Nature.SECOND_TRY}
    room = 1 + sum(nature in unwell for nature in natures) if all_may_fail else 1
    made = rules(draw, count, failures=failures, room=room)
    turns = ordered([agent(number, "ab"[number % 2]) for number in range(count)], Order())
    chance = draw(st.builds(random.Random, st.integers(0, 1 << 32)))
    return Imagined(natures, made, plan_batches(AMOUNTS, turns), chance)


def finish(imagined: Imagined, *, crashes: bool = False) -> None:
    """Let everything come to its end; an operator continues what pauses for a person."""
    for _ in range(FAR_TOO_LONG):
        if imagined.state in rollout_states.ENDED:
            return
        if crashes and imagined.chance.random() < 0.2:
            imagined.forget()
        down = imagined.down
        answered = imagined.chance.random() < 0.6 and imagined.answer()
        if not answered and not imagined.look(overdue=down) and not imagined.asked:
            if imagined.state is RolloutState.PAUSED and _waits_for_a_person(imagined):
                imagined.promoted += 1
                imagined.move(RolloutEvent.RESUME)
                continue
            return  # nothing more will happen by itself
    raise AssertionError("it does not end")


def _waits_for_a_person(imagined: Imagined) -> bool:
    return imagined.moves[-1].reason is PauseReason.PROMOTE


@settings(max_examples=60, deadline=None)
@given(rollouts(), st.data())
def test_whatever_happens_an_abort_ends_it_with_every_host_in_one_end_and_nothing_taken(
    imagined: Imagined, data: st.DataObject
) -> None:
    chance = imagined.chance
    for _ in range(data.draw(st.integers(0, 60))):
        match chance.randrange(8):
            case 0:
                imagined.forget()
            case 1:
                host = chance.choice([*imagined.hosts.values()])
                host.up = not host.up
            case 2 if imagined.state is RolloutState.PAUSED:
                imagined.promoted += 1
                imagined.move(RolloutEvent.RESUME)
            case 3 if imagined.state is RolloutState.RUNNING:
                imagined.move(RolloutEvent.PAUSE)
            case 4 | 5:
                imagined.answer()
            case _:
                imagined.look(overdue=imagined.some_overdue())
    if imagined.state not in rollout_states.ENDED:
        if imagined.state is not RolloutState.ABORTING:
            imagined.move(RolloutEvent.ABORT)
        before = {e.host: e.attempt for e in imagined.record}
        finish(imagined)
        assert {e.host: e.attempt for e in imagined.record} == before, "begun after an abort"
        assert imagined.state is RolloutState.ABORTED
    assert all(each.state in host_states.ENDED for each in imagined.record)
    assert not any(each.taken for each in imagined.record)
    assert not any(host.deactivated for host in imagined.hosts.values())
    vanished = {each.host for each in imagined.record if each.open}
    assert {name for name, host in imagined.hosts.items() if host.running} <= vanished


@settings(max_examples=50, deadline=None)
@given(rollouts(all_may_fail=True), st.builds(random.Random, st.integers(0, 1 << 32)))
def test_a_rollout_that_crashes_again_and_again_comes_to_the_same_end(
    imagined: Imagined, chance: random.Random
) -> None:
    natures = [host.nature for host in imagined.hosts.values()]
    other = Imagined(natures, imagined.rules, imagined.batches, chance)
    finish(imagined)
    finish(other, crashes=True)
    assert other.state == imagined.state
    assert [e.state for e in other.record] == [e.state for e in imagined.record]
    if imagined.state in rollout_states.ENDED:
        expected = [ENDS.get(nature, HostState.DONE) for nature in natures]
        assert [each.state for each in imagined.record] == expected


def test_failed_hosts_that_use_up_what_may_be_unavailable_pause_it() -> None:
    natures = [Nature.BAD, *[Nature.GOOD] * 3]
    made = Rules(Budgets(1, 4, 4, 4))
    turns = ordered([agent(number) for number in range(4)], Order())
    imagined = Imagined(natures, made, plan_batches(AMOUNTS, turns), random.Random(1))
    finish(imagined)
    states = [each.state for each in imagined.record]
    assert states[0] is HostState.FAILED
    assert not {HostState.APPLYING, HostState.DONE} & set(states[1:])
    assert imagined.state is RolloutState.PAUSED
    assert imagined.moves[-1].reason is PauseReason.BUDGET


@pytest.mark.parametrize(
    ("nature", "reason"),
    [(Nature.BAD, PauseReason.BUDGET), (Nature.BAD_GATE, PauseReason.GATE)],
)
def test_a_canary_that_fails_pauses_the_rest(nature: Nature, reason: PauseReason) -> None:
    made = Rules(Budgets(4, 0, 4, 4))
    turns = ordered([agent(number) for number in range(4)], Order())
    natures = [nature, *[Nature.GOOD] * 3]
    imagined = Imagined(natures, made, plan_batches(AMOUNTS, turns), random.Random(1))
    finish(imagined)
    assert imagined.state is RolloutState.PAUSED
    assert imagined.moves[-1].reason is reason
    assert {each.state for each in imagined.record[1:]} == {HostState.WAITING}


@pytest.mark.parametrize("state", HostState)
def test_from_every_state_an_abort_leads_to_an_end(state: HostState) -> None:
    """By what hosts answer and the abort itself; nothing that begins anything is needed."""
    beginning = {HostEvent.STAGE, HostEvent.FREE, HostEvent.APPLY, *AGAIN}
    reached, new = {state}, {state}
    while new:
        steps = [host_states.TRANSITIONS[each] for each in new]
        found = {to for each in steps for event, to in each.items() if event not in beginning}
        new = found - reached
        reached |= new
    assert reached & host_states.ENDED
    assert bool(host_states.TRANSITIONS[state].keys() - AGAIN) == (state not in host_states.ENDED)


@pytest.mark.parametrize("state", RolloutState)
def test_a_rollout_that_has_not_ended_can_be_aborted(state: RolloutState) -> None:
    can = RolloutEvent.ABORT in rollout_states.TRANSITIONS[state]
    ends = state in rollout_states.ENDED or state is RolloutState.ABORTING
    assert can is not ends


def test_unknown_is_left_only_by_what_asking_gives() -> None:
    assert set(host_states.TRANSITIONS[HostState.UNKNOWN]) == {
        HostEvent.APPLIED,
        HostEvent.NOT_BEGUN,
        HostEvent.ATTEMPT_FAILED,
        HostEvent.ROLL_BACK,
        HostEvent.FAIL,
        HostEvent.MISS,
        HostEvent.LOSE,
        HostEvent.LEAVE,
    }
    with pytest.raises(Impossible, match="a host that is done can't be told apply"):
        HostProgress("h", HostState.DONE).told(HostEvent.APPLY)


def test_nothing_is_decided_before_the_start_and_after_the_end() -> None:
    imagined = Imagined([Nature.GOOD], Rules(Budgets(1, 0, 1, 1)), (), random.Random(1))
    for state in (RolloutState.PLANNED, *rollout_states.ENDED):
        imagined.state = state
        assert decide(imagined.situation()) == ()
