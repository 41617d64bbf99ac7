"""What a controller tells while it is at work: for the journal, the display, and programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class EventKind(StrEnum):
    """What an event is about."""

    ROLLOUT = "rollout"  # its state: `state`, `reason`, `words`
    BATCH = "batch"  # another one is under way: `batch` of `batches`, `hosts` in it and before
    HOST = "host"  # its state: `before`, `state`, `attempt`, `cause`
    FENCED = "fenced"  # `hosts` that answered the take-over, and `silent` ones
    MASTER = "master"  # `state`: here or lost; `words`
    HOLDER = "holder"  # who has taken it over: `holder`, `number`; `before`: who held it
    NOTE = "note"  # `words`


@dataclass(frozen=True)
class Event:
    """One thing that happened. at: seconds since the epoch, by this machine's clock, for people.
    elapsed: seconds that a controller was at it for. host: whom it is about."""

    kind: EventKind
    at: float
    elapsed: float
    host: str | None = None
    details: dict[str, object] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """For programs."""
        host = {} if self.host is None else {"host": self.host}
        times = {"time": round(self.at, 3), "elapsed": round(self.elapsed, 3)}
        return {"event": self.kind.value, **times, **host, **self.details}


Listener = Callable[[Event], None]
