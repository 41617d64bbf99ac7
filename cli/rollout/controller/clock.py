"""How long a rollout has been at it. No clock of another machine is looked at, and none of the
wall: times are what has passed while a controller was there.
"""

from __future__ import annotations

from collections.abc import Callable

from rollout.records.documents import Head


class RunningTime:
    """Goes on from what the record says. now: seconds that never go back."""

    def __init__(self, head: Head, now: Callable[[], float]) -> None:
        self._now = now
        self.attended, self.elapsed = head.attended, head.elapsed
        self._last = now()

    def tick(self, *, paused: bool) -> None:
        """Count what has passed since the last time; a pause is not counted in `elapsed`."""
        now = self._now()
        passed, self._last = now - self._last, now
        self.attended += passed
        self.elapsed += 0 if paused else passed
