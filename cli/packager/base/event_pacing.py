"""Events come as often as the work makes them; this is how often they are passed on.

The first of each kind at once, then at most a few a second, and always the last before another
kind, so that every number's final value is told.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from packager.base.events import Field

MIN_INTERVAL_SECONDS = 0.2  # between two events of the same kind
FREQUENT = frozenset({"fetching", "unpacking"})


class PacedEvents:
    """An `Emit` that passes events on to `write`, each as one document with its name as "event"."""

    def __init__(
        self,
        write: Callable[[dict[str, Field]], None],
        min_interval: float = MIN_INTERVAL_SECONDS,
    ) -> None:
        self._write = write
        self._min_interval = min_interval
        self._kind = ""
        self._written = 0.0  # when the last one was
        self._waiting: dict[str, Field] | None = None

    def __call__(self, event: str, /, **fields: Field) -> None:
        now = time.monotonic()
        document = {"event": event, **fields}
        if event == self._kind and event in FREQUENT and now - self._written < self._min_interval:
            self._waiting = document
            return
        if event != self._kind:
            self.flush()
        self._kind, self._written, self._waiting = event, now, None
        self._write(document)

    def flush(self) -> None:
        """Pass on what waits for its time."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._write(waiting)
