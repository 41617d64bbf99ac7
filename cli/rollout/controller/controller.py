"""The loop of a controller: it looks, decides, writes down, acts; and looks again.

The truth is on the hosts, and what was meant to happen is in the record. All that is kept here is
lost with the process, and nothing of it is missed: another controller looks, and goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from packager.base.errors import Temporary, Unavailable

from rollout.controller.answers import RETRY_SECONDS, Answer, Fenced
from rollout.controller.clock import RunningTime
from rollout.controller.effects import Effects
from rollout.controller.keeper import Keeper
from rollout.controller.operators import obey
from rollout.controller.sight import Sight
from rollout.controller.takeover import fence_host, take_over
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
from rollout.core.deadlines import Wait, is_overdue, lateness
from rollout.core.decisions import batch_number, decide, verdict
from rollout.core.events import Event, EventKind, Listener
from rollout.core.host_states import HostEvent, HostState
from rollout.core.progress import HostProgress, Rules, Situation
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
QUESTIONS = 100  # short requests under way at once
WATCH_SECONDS = 10.0
MOST_SILENCES = 3  # of a soaking host, one after the other
FORGIVEN = 3  # interruptions of a host
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


@dataclass
class Memory:
    """What a controller knows of a host beside the record; it may forget it.

    task: a request that is under way, and for which action. rest_until, resight_after: by the
    loop's clock. missing_since: `attended`, when the master did not list it any more. silent: it
    did not answer the last question. silences: so many looks while it soaks were not answered.
    """

    task: asyncio.Task[Answer] | None = None
    action: Action | None = None
    rest_until: float = 0.0
    resight_after: float = 0.0
    missing_since: float | None = None
    silent: bool = False
    silences: int = 0
    soaked: bool = False
    worse: str = ""


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
        self._listener = listener
        head = keeper.head
        self._batches = tuple(Batch(each, ()) for each in head.batches)
        self._effects = Effects(
            strategy,
            hosts,
            master,
            profile=profile,
            undoes=head.undoes,
            confirm=keeper.confirm,
        )
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._time = RunningTime(head, self._now)
        self._loaded = head.attended
        self._progressed = head.attended
        self._memories = {host: Memory() for host in head.order}
        self._unfenced: frozenset[str] = frozenset()
        self._woken = asyncio.Event()
        self._questions = asyncio.Semaphore(QUESTIONS)
        self._sight = Sight(master, head.order, self._woken.set)
        self._background: set[asyncio.Task[None]] = set()
        self._trouble: Exception | None = None
        self._master_trouble: str | None = ""
        self._store_trouble = ""
        self._shown_batch = 0
        self._beat = self._asked_wishes = self._now()
        self._wants_pause = False

    def pause(self) -> None:
        """Pause it as an operator would: called by a signal's handler."""
        self._wants_pause = True
        self._woken.set()

    async def run(self) -> Head:
        """Carry it on until it ends, or pauses and nothing is under way. Raises Fenced, Lost,
        Changed: another controller is at it; PackagerError."""
        head = self._keeper.head
        self._tell(EventKind.HOLDER, holder=str(self._holder))
        unfenced = await take_over(self._keeper, self._holder, self._hosts, head.order)
        self._unfenced = unfenced
        answered = len(head.order) - len(unfenced)
        fence = self._keeper.head.fence.number
        self._tell(EventKind.FENCED, hosts=answered, silent=len(unfenced), number=fence)
        looking = asyncio.create_task(self._sight.keep_looking())
        try:
            await self._start()
            while not self._is_over():
                try:
                    await self._turn()
                    self._store_is_well()
                except (Suspended, Unsure, Unavailable, Temporary) as reason:
                    await self._store_away(reason)
                await self._wait()
            return self._keeper.head
        finally:
            asked = [each.task for each in self._memories.values() if each.task is not None]
            tasks: list[asyncio.Task[Any]] = [looking, *self._background, *asked]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

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
        self._fence_returned()
        situation = self._situation()
        await self._carry_out(decide(situation))
        self._tell_batch(situation)
        if self._now() - self._beat > HEARTBEAT_SECONDS:
            await self._write_head(self._keeper.head)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._sleep_seconds())
        await asyncio.sleep(GATHER_SECONDS)
        self._woken.clear()
        if self._trouble is not None:
            raise self._trouble

    def _sleep_seconds(self) -> float:
        now = self._now()
        rests = [m.rest_until - now for m in self._memories.values() if m.rest_until > now]
        return max(GATHER_SECONDS, min([TURN_SECONDS, *rests]))

    def _is_over(self) -> bool:
        state = self._keeper.head.state
        if state in rollout_states.ENDED:
            return True
        if state is not RolloutState.PAUSED or self._stay:
            return False
        records = self._keeper.hosts.values()
        busy = any(each.task is not None for each in self._memories.values())
        return not busy and not any(
            each.progress.state in UNDER_WAY or each.progress.taken for each in records
        )

    # What is seen and heard.

    async def _hear_answers(self) -> None:
        changed: dict[str, HostRecord] = {}
        events: list[Event] = []
        heard: list[Memory] = []
        for host, memory in self._memories.items():
            if memory.task is None or not memory.task.done():
                continue
            answer = memory.task.result()
            record = self._after_answer(host, memory, answer, events)
            if record is not None:
                changed[host] = record
            heard.append(memory)
        # Only what is written down was heard: else it is heard again, from the same task.
        await self._keeper.write_hosts([*changed.values()])
        for memory in heard:
            memory.task = memory.action = None
        for event in events:
            self._listener(event)

    def _after_answer(
        self, host: str, memory: Memory, answer: Answer, events: list[Event]
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

    def _after_watch(self, record: HostRecord, memory: Memory, answer: Answer) -> None:
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
            for told in events:
                self._listener(told)
            for record in records:
                self._memories[record.progress.host] = Memory()
            if changed.promoted != self._keeper.head.promoted:
                await self._write_head(replace(self._keeper.head, promoted=changed.promoted))
                self._tell(EventKind.NOTE, words=f"batch {changed.promoted} is promoted")
            if changed.move is not None:
                await self._move(changed.move)

    def _note_sighting(self) -> None:
        trouble = self._sight.trouble
        if trouble != self._master_trouble:
            self._master_trouble = trouble
            state = "lost" if trouble else "here"
            self._tell(EventKind.MASTER, state=state, words=trouble)
        seen = self._sight.latest
        if seen is None:
            for memory in self._memories.values():
                memory.missing_since = None  # nobody can say so
            return
        for host, memory in self._memories.items():
            observed = seen.observed.get(host)
            there = (observed is not None and observed.connected) or host in seen.recovered
            if there:
                memory.missing_since = None
            elif memory.missing_since is None:
                memory.missing_since = self._time.attended

    def _fence_returned(self) -> None:
        """Fence who did not answer the take-over, before it is asked for anything."""
        seen = self._sight.latest
        for host in self._unfenced if seen is not None else ():
            memory = self._memories[host]
            if memory.task is None and self._now() >= memory.rest_until:
                assert seen is not None
                observed = seen.observed.get(host)
                if observed is not None and observed.connected:
                    memory.rest_until = self._now() + 2 * RETRY_SECONDS
                    self._spawn(self._fence(host))

    async def _fence(self, host: str) -> None:
        async with self._questions:
            try:
                await fence_host(self._hosts, self._keeper.head.fence, host)
            except Exception as reason:
                told = getattr(reason, "told", None)
                if told is not None:
                    raise Fenced(host, told) from None
                return
        self._unfenced -= {host}
        self._woken.set()

    # What is decided and done.

    def _situation(self) -> Situation:
        head, now = self._keeper.head, self._now()
        seen = self._sight.latest
        records = [self._keeper.hosts[host] for host in head.order]
        busy = {
            host
            for host, memory in self._memories.items()
            if memory.task is not None
            or now < memory.rest_until
            or (memory.resight_after and memory.resight_after >= self._sight.begun)
        }
        observed = (
            {h: each for h, each in seen.observed.items() if h not in self._unfenced}
            if seen is not None
            else {}
        )
        idle = self._time.attended - max(self._progressed, self._loaded)
        return Situation(
            head.state,
            self._rules,
            self._batches,
            tuple(each.progress for each in records),
            head.promoted,
            observed,
            frozenset(busy),
            frozenset(each.progress.host for each in records if self._is_overdue(each)),
            frozenset(host for host, m in self._memories.items() if m.soaked),
            {host: m.worse for host, m in self._memories.items() if m.worse},
            lateness(self._strategy, elapsed=self._time.elapsed, idle=idle),
        )

    def _is_overdue(self, record: HostRecord) -> bool:
        memory = self._memories[record.progress.host]
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
        for event in events:
            self._listener(event)
        if move is not None:
            await self._move(move)
        for action, record in begun:
            self._begin(action, record)
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

    def _begin(self, action: Action, record: HostRecord) -> None:
        """Have the action done, if it is more than a change of the record."""
        host, progress = record.progress.host, record.progress
        effects, caller = self._effects, self._caller()
        memory = self._memories[host]
        match action:
            case Stage():
                work = effects.stage(host, caller)
            case Free(take=True) | DrainAgain():
                work = self._asked(effects.take(record.agent))
            case Apply(attempt=attempt):
                memory.silent, memory.soaked, memory.worse, memory.silences = False, False, "", 0
                work = effects.apply(host, attempt, caller)
            case Ask():
                forgiving = record.fence < caller.fence or progress.before < FORGIVEN
                asking = effects.ask(host, progress.attempt, caller, forgiving=forgiving)
                work = self._asked(asking)
            case Verify():
                work = self._asked(effects.verify(host, caller))
            case Watch():
                work = self._asked(effects.watch(host))
            case Reactivate():
                work = self._asked(self._given_back(record))
            case _:
                return
        memory.action = action
        memory.task = asyncio.create_task(self._watched(work))

    async def _given_back(self, record: HostRecord) -> Answer:
        seen = self._sight.latest
        listed = None if seen is None else seen.agent_ids.get(record.progress.host)
        if not record.agent or (listed is not None and listed != record.agent):
            return Answer(given_back=True)  # with another id it is another agent, which gets tasks
        return await self._effects.give_back(record.agent)

    async def _asked(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        async with self._questions:
            return await work

    async def _watched(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """What the work gives. A failure that is no host's ends the controller."""
        try:
            return await work
        except Suspended:
            return Answer(rest=RETRY_SECONDS)
        except Exception as reason:
            self._trouble = self._trouble or reason
            return Answer()
        finally:
            self._woken.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception as reason:
                self._trouble = self._trouble or reason
                self._woken.set()

        task = asyncio.create_task(watched())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _move(self, move: Move) -> None:
        head = self._keeper.head
        state = rollout_states.after(head.state, move.event)
        words = move.words
        await self._write_head(replace(head, state=state, pause=move.reason, words=words))
        if head.state is RolloutState.PAUSED:
            self._progressed = self._time.attended
            if head.pause is PauseReason.DEADLINE:
                self._time.elapsed = 0.0  # whoever goes on grants it as much again
        reason = {} if move.reason is None else {"reason": move.reason.value}
        said = {"words": words} if words else {}
        self._tell(EventKind.ROLLOUT, before=head.state.value, state=state.value, **reason, **said)

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
            details: dict[str, object] = {
                "before": before.state.value,
                "state": after.state.value,
                "attempt": after.attempt,
            }
            if cause:
                details["cause"] = cause
            events.append(self._event(EventKind.HOST, before.host, details))
        elif event is HostEvent.ATTEMPT_FAILED:
            details = {"state": after.state.value, "attempt": after.attempt, "cause": cause}
            events.append(self._event(EventKind.HOST, before.host, details))
        return replace(record, progress=after, since=since)

    def _caller(self) -> Caller:
        head = self._keeper.head
        revision = None if head.undoes is not None else head.revision
        return Caller(head.id, revision, head.fence.number, head.fence.holder)

    # What is told.

    def _tell_batch(self, situation: Situation) -> None:
        if situation.state not in rollout_states.BEGINS:
            return
        number = batch_number(situation)
        if number != self._shown_batch:
            self._shown_batch = number
            hosts = self._batches[number - 1].hosts
            self._tell(EventKind.BATCH, batch=number, batches=len(self._batches), hosts=hosts)

    async def _store_away(self, reason: Exception) -> None:
        if str(reason) != self._store_trouble:
            self._store_trouble = str(reason)
            self._tell(EventKind.NOTE, words=f"nothing new is begun: {reason}")
        with suppress(Suspended, Unavailable, Temporary):
            await self._keeper.confirm()
            await self._keeper.reload()

    def _store_is_well(self) -> None:
        if self._store_trouble:
            self._store_trouble = ""
            self._tell(EventKind.NOTE, words="the record can be written again")

    def _tell(self, kind: EventKind, **details: object) -> None:
        self._listener(self._event(kind, None, details))

    def _event(self, kind: EventKind, host: str | None, details: dict[str, object]) -> Event:
        return Event(kind, time.time(), self._time.attended, host, details)
