"""The loop of a controller: it looks, decides, writes down, acts; and looks again.

The truth is on the hosts, and what was meant to happen is in the record. All that is kept here is
lost with the process, and nothing of it is missed: another controller looks, and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf

from packager.base.errors import Temporary, Unavailable

from rollout.controller.answers import Answer
from rollout.controller.clock import RunningTime
from rollout.controller.effects import Effects
from rollout.controller.keeper import Keeper
from rollout.controller.newcomers import Newcomers
from rollout.controller.operators import obey
from rollout.controller.requests import HostMemory, Requests
from rollout.controller.sight import Sight
from rollout.controller.takeover import take_over
from rollout.controller.telling import Telling
from rollout.core import host_states, rollout_states
from rollout.core.actions import Action, Apply, DrainAgain, Free, Move, Note, Stage, Watch
from rollout.core.batches import Batch
from rollout.core.deadlines import Wait, is_overdue, lateness
from rollout.core.decisions import decide, verdict
from rollout.core.events import Event, Listener
from rollout.core.host_states import HostEvent, HostState
from rollout.core.progress import HostProgress, Rules, Situation, rules_of
from rollout.core.registry import hostname
from rollout.core.rollout_states import PauseReason, RolloutEvent, RolloutState
from rollout.core.strategy import Strategy
from rollout.hosts.access import Hosts
from rollout.hosts.provisioner import Caller
from rollout.master.client import MasterClient
from rollout.records.documents import Head, Holder, HostRecord
from rollout.records.store import Suspended, Unsure

TURN_SECONDS = 1.0  # at the latest something is looked at again
GATHER_SECONDS = 0.02  # answers that come together are written down together
HEARTBEAT_SECONDS = 15.0  # how often the running time is written down
WATCH_SECONDS = 10.0
MOST_SILENCES = 3  # of a soaking host, one after the other
CAME_LATE = "it came after the start"
UNDER_WAY = frozenset(
    {
        HostState.DRAINING,
        HostState.APPLYING,
        HostState.UNKNOWN,
        HostState.VERIFYING,
        HostState.REACTIVATING,
        HostState.SOAKING,
    }
)


class Controller:
    """Carries one rollout on. stay: also while it is paused and nothing is under way.

    `run` once. Everything that happens is told to `listener`.
    """

    def __init__(
        self,
        keeper: Keeper,
        holder: Holder,
        strategy: Strategy,
        rules: Rules,
        *,
        hosts: Hosts,
        master: MasterClient,
        profile: bytes,
        listener: Listener,
        stay: bool = False,
    ) -> None:
        self._keeper, self._holder = keeper, holder
        self._strategy, self._rules = strategy, rules
        self._hosts, self._stay = hosts, stay
        head = keeper.head
        self._batches = tuple(Batch(each, ()) for each in head.batches)
        effects = Effects(
            strategy,
            hosts,
            master,
            profile=profile,
            undoes=head.undoes,
            confirm=keeper.confirm,
        )
        self._now = asyncio.get_running_loop().time
        self._time = RunningTime(head, self._now)
        self._loaded = self._progressed = head.attended
        self._telling = Telling(listener, self._time)
        self._woken = asyncio.Event()
        self._sight = Sight(master, strategy, head.order, self._woken.set)
        self._newcomers = Newcomers(keeper, hosts, rules.late, self._woken.set)
        self._requests = Requests(effects, hosts, self._sight, self._woken.set)
        self._beat = self._now()
        self._asked_wishes = -inf  # what was wished for before it began comes first
        self._wants_pause = False

    def pause(self) -> None:
        """Pause it as an operator would: called by a signal's handler."""
        self._wants_pause = True
        self._woken.set()

    async def run(self) -> Head:
        """Carry it on until it ends, or pauses and nothing is under way. Raises Fenced, Lost,
        Changed: another controller is at it; PackagerError."""
        head = self._keeper.head
        self._telling.holder(self._holder)
        unfenced = await take_over(self._keeper, self._holder, self._hosts, head.order)
        self._requests.unfenced = unfenced
        self._telling.fenced(self._keeper.head, len(unfenced))
        looking = asyncio.create_task(self._sight.keep_looking())
        try:
            await self._start()
            while not self._is_over():
                try:
                    await self._turn()
                    self._telling.store("")
                except (Suspended, Unsure, Unavailable, Temporary) as reason:
                    self._telling.store(str(reason))
                    await self._reload()
                await self._wait()
            return self._keeper.head
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await self._newcomers.cancel()
            await self._requests.cancel()

    async def _start(self) -> None:
        head = self._keeper.head
        is_undo = head.undoes is not None
        match head.state:
            case RolloutState.PLANNED:
                event = RolloutEvent.START_UNDO if is_undo else RolloutEvent.START
            case RolloutState.PAUSED:
                event = RolloutEvent.RESUME_UNDO if is_undo else RolloutEvent.RESUME
            case _:
                return
        await self._move(Move(event))

    async def _turn(self) -> None:
        self._time.tick(paused=self._keeper.head.state is RolloutState.PAUSED)
        await self._hear_answers()
        await self._obey_operators()
        self._note_sighting()
        await self._let_newcomers_in()
        situation = self._situation()
        await self._carry_out(decide(situation))
        if self._keeper.head.state in rollout_states.BEGINS:
            self._telling.batch(situation)
        if self._now() - self._beat > HEARTBEAT_SECONDS:
            await self._write_head(self._keeper.head)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._sleep_seconds())
        await asyncio.sleep(GATHER_SECONDS)
        self._woken.clear()
        if self._requests.trouble is not None:
            raise self._requests.trouble

    async def _reload(self) -> None:
        with suppress(Suspended, Unavailable, Temporary):
            await self._keeper.confirm()
            await self._keeper.reload()

    def _sleep_seconds(self) -> float:
        ends = self._requests.next_rest_ends()
        rest = TURN_SECONDS if ends is None else ends - self._now()
        return max(GATHER_SECONDS, min(TURN_SECONDS, rest))

    def _is_over(self) -> bool:
        state = self._keeper.head.state
        if state in rollout_states.ENDED:
            return True
        if state is not RolloutState.PAUSED or self._stay:
            return False
        records = self._keeper.hosts.values()
        return not self._requests.any_under_way and not any(
            each.progress.state in UNDER_WAY or each.progress.taken for each in records
        )

    # What is seen and heard.

    async def _hear_answers(self) -> None:
        changed: list[HostRecord] = []
        events: list[Event] = []
        heard: list[HostMemory] = []
        for host, memory, answer in self._requests.answered():
            record = self._after_answer(host, memory, answer, events)
            if record is not None:
                changed.append(record)
            heard.append(memory)
        # Only what is written down was heard: else it is heard again, from the same task.
        await self._keeper.write_hosts(changed)
        for memory in heard:
            memory.task = memory.action = None
        self._telling.all(events)

    def _after_answer(
        self, host: str, memory: HostMemory, answer: Answer, events: list[Event]
    ) -> HostRecord | None:
        record = self._keeper.hosts[host]
        progress = record.progress
        now = self._now()
        memory.rest_until = now + answer.rest if answer.rest else memory.rest_until
        memory.silent = answer.silent
        if answer.resight:
            memory.resight_after = now
            self._sight.hurry()
        if isinstance(memory.action, Watch):
            self._after_watch(record, memory, answer)
        if answer.given_back:
            return replace(record, progress=replace(progress, taken=False))
        event = answer.event
        if answer.failed:
            event = verdict(
                progress, self._rules, rolled_back=answer.rolled_back, final=answer.final
            )
        if event is None or event not in host_states.TRANSITIONS[progress.state]:
            return None  # or it has moved on meanwhile: an abort came
        return self._told(record, event, answer.cause, events)

    def _after_watch(self, record: HostRecord, memory: HostMemory, answer: Answer) -> None:
        memory.rest_until = self._now() + WATCH_SECONDS
        memory.silences = memory.silences + 1 if answer.silent else 0
        if answer.worse:
            memory.worse = answer.worse
        elif memory.silences >= MOST_SILENCES:
            memory.worse = f"it vanished while it soaked: {answer.cause}"
        soaked = self._time.attended - max(record.since, self._loaded)
        left = self._strategy.soak - soaked
        memory.soaked = answer.well and left <= 0
        if memory.soaked or memory.worse:
            memory.rest_until = 0.0
        elif 0 < left < WATCH_SECONDS:
            memory.rest_until = self._now() + left

    async def _obey_operators(self) -> None:
        if self._wants_pause or self._now() - self._asked_wishes >= TURN_SECONDS:
            self._asked_wishes = self._now()
            wishes = await self._keeper.wishes()
            if self._wants_pause:
                wishes = replace(wishes, pause=True)
                self._wants_pause = False
            changed = obey(wishes, self._keeper.head, [*self._keeper.hosts.values()])
            events: list[Event] = []
            records = [self._told(record, event, "", events) for record, event in changed.hosts]
            await self._keeper.write_hosts(records)
            self._telling.all(events)
            for record in records:
                self._requests.forget(record.progress.host)
            if changed.promoted != self._keeper.head.promoted:
                await self._write_head(replace(self._keeper.head, promoted=changed.promoted))
                self._telling.note(f"batch {changed.promoted} is promoted")
            if changed.move is not None:
                await self._move(changed.move)

    def _note_sighting(self) -> None:
        self._telling.master(self._sight.trouble)
        seen, order = self._sight.latest, self._keeper.head.order
        if seen is None:
            for host in order:
                self._requests.of(host).missing_since = None  # nobody can say so
            return
        connected = {host for host, each in seen.observed.items() if each.connected}
        for host in order:
            memory = self._requests.of(host)
            if host in connected or host in seen.recovered:
                memory.missing_since = None
            elif memory.missing_since is None:
                memory.missing_since = self._time.attended
        self._requests.fence_returned(self._keeper.head.fence, connected)

    async def _let_newcomers_in(self) -> None:
        if self._keeper.head.state is RolloutState.RUNNING and self._sight.latest is not None:
            apart = await self._newcomers.let_in(self._sight.newcomers)
            for host, cause in apart.items():
                self._telling.note(f"{hostname(host)} takes no part: {cause}")
        head = self._keeper.head
        joined = head.order[len(self._sight.order) :]
        if joined:
            self._batches = tuple(Batch(each, ()) for each in head.batches)
            self._rules = rules_of(self._strategy, len(head.order))
            self._sight.order = head.order
            self._sight.hurry()
            self._requests.unfenced |= set(joined)
            joining = [self._keeper.hosts[host].progress for host in joined]
            self._telling.all(self._telling.host_event(e, e, CAME_LATE) for e in joining)

    # What is decided and done.

    def _situation(self) -> Situation:
        head, seen, requests = self._keeper.head, self._sight.latest, self._requests
        records = [self._keeper.hosts[host] for host in head.order]
        known = {host: requests.of(host) for host in head.order}
        listed = {} if seen is None else seen.observed
        idle = self._time.attended - max(self._progressed, self._loaded)
        return Situation(
            head.state,
            self._rules,
            self._batches,
            tuple(each.progress for each in records),
            head.promoted,
            {host: each for host, each in listed.items() if host not in requests.unfenced},
            requests.busy(),
            frozenset(each.progress.host for each in records if self._is_overdue(each)),
            frozenset(host for host, each in known.items() if each.soaked),
            {host: each.worse for host, each in known.items() if each.worse},
            lateness(self._strategy, elapsed=self._time.elapsed, idle=idle),
        )

    def _is_overdue(self, record: HostRecord) -> bool:
        memory = self._requests.of(record.progress.host)
        attended = self._time.attended
        missing = None if memory.missing_since is None else attended - memory.missing_since
        wait = Wait(attended - record.since, missing, memory.silent)
        return is_overdue(record.progress, wait, self._strategy)

    async def _carry_out(self, actions: Sequence[Action]) -> None:
        """Write down what is about to be done; then do it."""
        changed: list[HostRecord] = []
        events: list[Event] = []
        begun: list[tuple[Action, HostRecord]] = []
        move: Move | None = None
        for action in actions:
            if isinstance(action, Move):
                move = action
                continue
            before = self._keeper.hosts[action.host]
            record = self._intended(action, before, events)
            if record is not before:
                changed.append(record)
            if not isinstance(action, Note):
                begun.append((action, record))
        if changed:
            await self._keeper.confirm()
        await self._keeper.write_hosts(changed)
        self._telling.all(events)
        if move is not None:
            await self._move(move)
        for action, record in begun:
            self._requests.begin(action, record, self._caller())
        if changed or move is not None:
            self._woken.set()  # more may be right now

    def _intended(self, action: Action, record: HostRecord, events: list[Event]) -> HostRecord:
        """The record of the host when the action is about to be done."""
        seen = self._sight.latest
        agent = record.agent if seen is None else seen.agent_ids.get(record.progress.host, "")
        match action:
            case Note(event=event, cause=cause):
                return self._told(record, event, cause, events)
            case Stage() if record.progress.state is HostState.WAITING:
                return self._told(record, HostEvent.STAGE, "", events)
            case Free(take=take):
                taking = replace(record.progress, taken=take)
                record = replace(record, progress=taking, agent=agent if take else "")
                return self._told(record, HostEvent.FREE, "", events)
            case DrainAgain() if agent != record.agent:
                return replace(record, agent=agent)
            case Apply():
                fence = self._keeper.head.fence.number
                record = replace(record, fence=fence)
                return self._told(record, HostEvent.APPLY, "", events)
        return record

    async def _move(self, move: Move) -> None:
        head = self._keeper.head
        state = rollout_states.after(head.state, move.event)
        words = move.words
        await self._write_head(replace(head, state=state, pause=move.reason, words=words))
        if head.state is RolloutState.PAUSED:
            self._progressed = self._time.attended
            if head.pause is PauseReason.DEADLINE:
                self._time.elapsed = 0.0  # whoever goes on grants it as much again
        self._telling.move(head.state, state, move)

    async def _write_head(self, head: Head) -> None:
        elapsed, attended = self._time.elapsed, self._time.attended
        await self._keeper.write_head(replace(head, elapsed=elapsed, attended=attended))
        self._beat = self._now()

    def _told(
        self, record: HostRecord, event: HostEvent, cause: str, events: list[Event]
    ) -> HostRecord:
        before = record.progress
        after: HostProgress = before.told(event, cause)
        since = record.since if after.state is before.state else self._time.attended
        if after.state is not before.state:
            self._progressed = self._time.attended
        if after.state is not before.state or event is HostEvent.ATTEMPT_FAILED:
            events.append(self._telling.host_event(before, after, cause))
        return replace(record, progress=after, since=since)

    def _caller(self) -> Caller:
        head = self._keeper.head
        revision = None if head.undoes is not None else head.revision
        return Caller(head.id, revision, head.fence.number, head.fence.holder)
