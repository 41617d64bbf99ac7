"""What hosts and masters are being asked for at the moment, and what is known of hosts beside the
record. All of it is lost with the process, and nothing of it is missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rollout.controller.answers import RETRY_SECONDS, Answer, Fenced
from rollout.controller.effects import Effects
from rollout.controller.sight import Sight
from rollout.controller.takeover import HigherFence, fence_host
from rollout.core.actions import (
    Action,
    Apply,
    Ask,
    DrainAgain,
    Free,
    Reactivate,
    Stage,
    Verify,
    Watch,
)
from rollout.core.registry import Drain
from rollout.hosts.access import Hosts
from rollout.hosts.provisioner import Caller
from rollout.records.documents import Fence, HostRecord
from rollout.records.store import Suspended

QUESTIONS = 100  # short requests under way at once
FORGIVEN = 3  # interruptions of a host
FENCE_AGAIN_SECONDS = 10.0


@dataclass
class HostMemory:
    """What is known of a host.

    task: a request that is under way, and for which action. rest_until, resight_after: by the
    loop's clock. missing_since: `attended`, when the master did not list it any more. silent: it
    did not answer the last question. silences: so many looks while it soaks were not answered.
    soaked: it stayed well for long enough. worse: it is not well any more, and why.
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


class Requests:
    """Begins what was decided, and keeps the answers until they are taken.

    wake: called with each answer. trouble: what has gone wrong that is no host's doing; it ends the
    controller.
    """

    def __init__(
        self, effects: Effects, hosts: Hosts, sight: Sight, wake: Callable[[], None]
    ) -> None:
        self._effects, self._hosts, self._sight, self._wake = effects, hosts, sight, wake
        self._now = asyncio.get_running_loop().time
        self._turn = asyncio.Semaphore(QUESTIONS)
        self._memories: dict[str, HostMemory] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.unfenced: frozenset[str] = frozenset()
        self.trouble: Exception | None = None

    def of(self, host: str) -> HostMemory:
        """What is known of a host; it may be changed."""
        return self._memories.setdefault(host, HostMemory())

    def forget(self, host: str) -> None:
        """It begins anew."""
        self._memories.pop(host, None)

    def answered(self) -> Iterator[tuple[str, HostMemory, Answer]]:
        """The answers that have come; who has heard one clears `task` and `action`."""
        for host, memory in [*self._memories.items()]:
            if memory.task is not None and memory.task.done():
                yield host, memory, memory.task.result()

    def busy(self) -> frozenset[str]:
        """Hosts that nothing is decided of now: a request is under way, they are let alone for a
        while, or the master was not looked at since it was asked for a change of them."""
        now, begun = self._now(), self._sight.begun
        return frozenset(
            host
            for host, memory in self._memories.items()
            if memory.task is not None
            or now < memory.rest_until
            or (memory.resight_after and memory.resight_after >= begun)
        )

    @property
    def any_under_way(self) -> bool:
        """Whether an answer is to come."""
        return any(each.task is not None for each in self._memories.values())

    def next_rest_ends(self) -> float | None:
        """By the loop's clock; None: nobody rests."""
        now = self._now()
        rests = [each.rest_until for each in self._memories.values() if each.rest_until > now]
        return min(rests, default=None)

    def begin(self, action: Action, record: HostRecord, caller: Caller) -> None:
        """Have the action done, if it is more than a change of the record."""
        host, progress = record.progress.host, record.progress
        effects, memory = self._effects, self.of(host)
        work: Coroutine[Any, Any, Answer]
        match action:
            case Stage():
                work = effects.stage(host, caller)
            case Free(take=True) | DrainAgain():
                work = self._in_turn(effects.take(record.agent))
            case Apply(attempt=attempt):
                memory.silent, memory.soaked, memory.worse, memory.silences = False, False, "", 0
                work = effects.apply(host, attempt, caller)
            case Ask():
                forgiving = record.fence < caller.fence or progress.before < FORGIVEN
                asking = effects.ask(host, progress.attempt, caller, forgiving=forgiving)
                work = self._in_turn(asking)
            case Verify():
                work = self._in_turn(effects.verify(host, caller))
            case Watch():
                work = self._in_turn(effects.watch(host))
            case Reactivate():
                work = self._in_turn(self._given_back(record))
            case _:
                return
        memory.action = action
        memory.task = asyncio.create_task(self._watched(work))

    def fence_returned(self, fence: Fence, connected: Iterable[str]) -> None:
        """Fence those who did not answer the take-over, before they are asked for anything."""
        for host in self.unfenced.intersection(connected):
            memory = self.of(host)
            if memory.task is None and self._now() >= memory.rest_until:
                memory.rest_until = self._now() + FENCE_AGAIN_SECONDS
                task = asyncio.create_task(self._fence(host, fence))
                self._background.add(task)
                task.add_done_callback(self._background.discard)

    async def cancel(self) -> None:
        """End all that is under way here; the hosts go on with what they were asked for."""
        asked = [each.task for each in self._memories.values() if each.task is not None]
        tasks: list[asyncio.Task[Any]] = [*self._background, *asked]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fence(self, host: str, fence: Fence) -> None:
        async with self._turn:
            try:
                await fence_host(self._hosts, fence, host)
            except HigherFence as higher:
                self._fail(Fenced(host, higher.told))
            except Exception:
                return  # it is tried again
            else:
                self.unfenced -= {host}
                self._memories[host].rest_until = 0.0
                self._wake()

    async def _given_back(self, record: HostRecord) -> Answer:
        seen = self._sight.latest
        listed = None if seen is None else seen.agent_ids.get(record.progress.host)
        if not record.agent or (listed is not None and listed != record.agent):
            return Answer(given_back=True)  # with another id it is another agent, which gets tasks
        known = None if seen is None else seen.observed.get(record.progress.host)
        if known is not None and known.drain is Drain.DRAINING and known.idle:
            # Its tasks' framework went first: so it stays, until it is drained once more.
            return await self._effects.take(record.agent)
        return await self._effects.give_back(record.agent)

    async def _in_turn(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        async with self._turn:
            return await work

    async def _watched(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """What the work gives. A failure that is no host's ends the controller."""
        try:
            return await work
        except Suspended:
            return Answer(rest=RETRY_SECONDS)
        except Exception as reason:
            self._fail(reason)
            return Answer()
        finally:
            self._wake()

    def _fail(self, reason: Exception) -> None:
        self.trouble = self.trouble or reason
        self._wake()
