"""A rollout over imagined hosts and an imagined master, carried out as `decide` says.

Hosts keep what they were asked for when the controller forgets it; so a crash can be imagined, too.
Everything that must never happen is asserted here, at the moment at which it would.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

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
from rollout.core.batches import Batch
from rollout.core.decisions import decide, verdict
from rollout.core.host_states import HostEvent
from rollout.core.progress import HostProgress, Observed, Rules, Situation
from rollout.core.registry import Drain
from rollout.core.rollout_states import RolloutEvent, RolloutState
from rollout.core.strategy import DrainMode


class Nature(StrEnum):
    """How an imagined host takes its part."""

    GOOD = "good"
    SLOW_TO_STAGE = "fails its first stage"
    SECOND_TRY = "fails its first apply"
    BAD = "fails every apply"
    GOES_BACK = "rolls back every apply"
    BAD_GATE = "never holds its gate"
    GETS_WORSE = "does not survive its soak"


@dataclass
class ImaginedHost:
    nature: Nature
    up: bool = True
    running: int | None = None  # the attempt at work
    ended: dict[int, str] = field(default_factory=dict)
    staged_before: bool = False
    deactivated: bool = False


class Imagined:
    """All of it: hosts, the record that survives, and a controller that may forget the rest."""

    def __init__(
        self,
        natures: Sequence[Nature],
        rules: Rules,
        batches: tuple[Batch, ...],
        chance: random.Random,
    ) -> None:
        self.hosts = {f"h{number}": ImaginedHost(each) for number, each in enumerate(natures)}
        self.record = [HostProgress(name) for name in self.hosts]
        self.state = RolloutState.RUNNING
        self.rules, self.batches, self.chance = rules, batches, chance
        self.promoted = 0
        self.moves: list[Move] = []
        self.forget()

    def forget(self) -> None:
        """The controller is killed, and another one begins: requests go on at the hosts."""
        self.asked: list[Action] = []
        self.soaked: set[str] = set()
        self.worse: dict[str, str] = {}

    def situation(self, *, overdue: frozenset[str] = frozenset()) -> Situation:
        draining = self.rules.drain is DrainMode.DRAIN
        observed = {
            name: Observed(True, host.deactivated, Drain.DRAINED if draining else None)
            if host.deactivated
            else Observed()
            for name, host in self.hosts.items()
            if host.up
        }
        return Situation(
            self.state,
            self.rules,
            self.batches,
            tuple(self.record),
            self.promoted,
            observed,
            frozenset(each.host for each in self.asked if not isinstance(each, Move)),
            overdue,
            frozenset(self.soaked),
            dict(self.worse),
        )

    def look(self, *, overdue: frozenset[str] = frozenset()) -> bool:
        """One turn of the controller: decide, write down, ask. Whether there was anything."""
        situation = self.situation(overdue=overdue)
        actions = decide(situation)
        self._judge(situation, actions)
        for action in actions:
            self._begin(action)
        return bool(actions)

    def answer(self) -> bool:
        """One of the requests that are under way is answered. Whether there was one."""
        if not self.asked:
            return False
        action = self.asked.pop(self.chance.randrange(len(self.asked)))
        self._complete(action)
        return True

    @property
    def down(self) -> frozenset[str]:
        """The hosts that are not there."""
        return frozenset(name for name, host in self.hosts.items() if not host.up)

    def some_overdue(self) -> frozenset[str]:
        """Hosts that are past a deadline. Who may be at work is so only if it can't be asked."""
        return frozenset(
            each.host
            for each in self.record
            if self.chance.random() < 0.1
            and not (each.state in host_states.APPLIES and self.hosts[each.host].up)
        )

    def progress(self, name: str) -> HostProgress:
        return next(each for each in self.record if each.host == name)

    def tell(self, name: str, event: HostEvent, cause: str = "") -> None:
        at = next(at for at, each in enumerate(self.record) if each.host == name)
        self.record[at] = self.record[at].told(event, cause)

    def move(self, event: RolloutEvent) -> None:
        self.state = rollout_states.after(self.state, event)

    def _judge(self, situation: Situation, actions: Sequence[Action]) -> None:
        """What holds of every decision."""
        begun = [each for each in actions if isinstance(each, Free | Apply)]
        names = {each.host for each in begun}
        if begun:
            assert situation.state in rollout_states.BEGINS
            assert not any(isinstance(each, Move) for each in actions)
            assert len(situation.unavailable | names) <= situation.rules.budgets.unavailable
            failed = [e for e in situation.hosts if e.state in host_states.FAILURES]
            assert len(failed) <= situation.rules.budgets.failures
        applies = [each.host for each in actions if isinstance(each, Apply)]
        under_way = {e.host for e in situation.hosts if e.state in host_states.APPLIES}
        if applies:
            assert len(under_way | set(applies)) <= situation.rules.budgets.applies
        begun_hosts = [each.host for each in begun]
        assert len(begun_hosts) == len(set(begun_hosts))
        assert not situation.busy & set(begun_hosts)
        # No host of a later batch before all of the earlier ones have ended.
        order = [each.host for each in situation.hosts]
        for name in names:
            before = [b.hosts for b in situation.batches if b.hosts <= order.index(name)]
            earlier = situation.hosts[: before[-1] if before else 0]
            assert all(each.state in host_states.ENDED for each in earlier)

    def _begin(self, action: Action) -> None:
        match action:
            case Move(event=event):
                self.moves.append(action)
                self.move(event)
            case Note(host=name, event=event, cause=cause):
                self.tell(name, event, cause)
            case Stage(host=name):
                if self.progress(name).state is host_states.HostState.WAITING:
                    self.tell(name, HostEvent.STAGE)
                self.asked.append(action)
            case Free(host=name, take=take):
                at = self.record.index(self.progress(name))
                self.record[at] = replace(self.record[at], taken=take)
                self.tell(name, HostEvent.FREE)
                if take:
                    self.asked.append(action)
            case Apply(host=name, attempt=attempt):
                self.tell(name, HostEvent.APPLY)
                assert self.progress(name).attempt == attempt
                host = self.hosts[name]
                if self.chance.random() < 0.8:  # else it never got there
                    assert host.running is None, "two applies at once"
                    assert attempt not in host.ended, "an attempt twice"
                    host.running = attempt
                self.asked.append(action)
            case _:
                self.asked.append(action)

    def _complete(self, action: Action) -> None:
        assert not isinstance(action, Move | Note)
        name = action.host
        host, now = self.hosts[name], self.progress(name)
        match action:
            case Stage():
                failed = host.nature is Nature.SLOW_TO_STAGE and not host.staged_before
                host.staged_before = True
                if now.state is host_states.HostState.STAGING:  # it may have been aborted
                    event = verdict(now, self.rules) if failed else HostEvent.STAGED
                    self.tell(name, event, "its stage failed" if failed else "")
            case Free() | DrainAgain():
                host.deactivated = now.taken or host.deactivated
            case Reactivate():
                host.deactivated = False
                at = self.record.index(now)
                self.record[at] = replace(now, taken=False)
            case Ask() if not host.up:
                pass
            case Apply() if not host.up:
                self.tell(name, HostEvent.CUT)
            case Apply() | Ask():
                self._tell_outcome(name, host)
            case Verify():
                if host.nature is Nature.BAD_GATE:
                    self.tell(name, verdict(now, self.rules), "its gate does not hold")
                else:
                    self.tell(name, HostEvent.VERIFIED)
            case Watch():
                if host.nature is Nature.GETS_WORSE:
                    self.worse[name] = "it got worse"
                else:
                    self.soaked.add(name)

    def _tell_outcome(self, name: str, host: ImaginedHost) -> None:
        """What the host says of its last attempt; if it is at work, it ends now."""
        now = self.progress(name)
        if host.running is not None:
            attempt, host.running = host.running, None
            first = len(host.ended) == 0
            ends = {Nature.BAD: "failed", Nature.GOES_BACK: "rolled back"}
            ends |= {Nature.SECOND_TRY: "failed"} if first else {}
            host.ended[attempt] = ends.get(host.nature, "applied")
        outcome = host.ended.get(now.attempt)
        if outcome == "applied":
            self.tell(name, HostEvent.APPLIED)
        elif outcome is not None:
            back = outcome == "rolled back"
            self.tell(name, verdict(now, self.rules, rolled_back=back), outcome)
        elif now.state is host_states.HostState.UNKNOWN:
            self.tell(name, HostEvent.NOT_BEGUN)
        else:
            self.tell(name, HostEvent.CUT)
