"""What a controller tells: each thing once, when it has become so."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rollout.controller.clock import RunningTime
from rollout.core.actions import Move
from rollout.core.decisions import batch_number
from rollout.core.events import Event, EventKind, Listener
from rollout.core.progress import HostProgress, Situation
from rollout.core.rollout_states import RolloutState
from rollout.records.documents import Head, Holder


class Telling:
    """Tells `listener`; `clock` says for how long the rollout was attended."""

    def __init__(self, listener: Listener, clock: RunningTime) -> None:
        self._listener, self._clock = listener, clock
        self._batch = 0
        self._master: str | None = ""
        self._store = ""

    def all(self, events: Iterable[Event]) -> None:
        """Tell what was made before it was so."""
        for event in events:
            self._listener(event)

    def holder(self, holder: Holder) -> None:
        """Who is at it now."""
        self._tell(EventKind.HOLDER, holder=str(holder))

    def fenced(self, head: Head, silent: int) -> None:
        """How many hosts obey this controller. silent: did not answer."""
        answered = len(head.order) - silent
        self._tell(EventKind.FENCED, hosts=answered, silent=silent, number=head.fence.number)

    def note(self, words: str) -> None:
        """Anything else."""
        self._tell(EventKind.NOTE, words=words)

    def batch(self, situation: Situation) -> None:
        """Which batch is under way, if it is another one."""
        number = batch_number(situation)
        if number != self._batch:
            self._batch = number
            hosts = situation.batches[number - 1].hosts
            self._tell(EventKind.BATCH, batch=number, batches=len(situation.batches), hosts=hosts)

    def master(self, trouble: str) -> None:
        """Whether the master can be believed; trouble: why not, empty if it can."""
        if trouble != self._master:
            self._master = trouble
            self._tell(EventKind.MASTER, state="lost" if trouble else "here", words=trouble)

    def store(self, trouble: str) -> None:
        """Whether the record can be written; trouble: as above."""
        if trouble != self._store:
            self._store = trouble
            self.note(
                f"nothing new is begun: {trouble}" if trouble else "the record is there again"
            )

    def move(self, before: RolloutState, after: RolloutState, move: Move) -> None:
        """A change of the rollout's state."""
        reason = {} if move.reason is None else {"reason": move.reason.value}
        words = {"words": move.words} if move.words else {}
        states = {"before": before.value, "state": after.value}
        self._tell(EventKind.ROLLOUT, **states, **reason, **words)

    def host_event(self, before: HostProgress, after: HostProgress, cause: str) -> Event:
        """A change of a host's state, to be told when it is written down."""
        details: dict[str, object] = {
            "before": before.state.value,
            "state": after.state.value,
            "attempt": after.attempt,
        }
        if cause:
            details["cause"] = cause
        return self._event(EventKind.HOST, before.host, details)

    def _tell(self, kind: EventKind, **details: object) -> None:
        self._listener(self._event(kind, None, details))

    def _event(self, kind: EventKind, host: str | None, details: dict[str, object]) -> Event:
        return Event(kind, time.time(), self._clock.attended, host, details)
