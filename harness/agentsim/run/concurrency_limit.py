"""How many commands of a route run at once, and how many requests wait for a place."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Waiter:
    """Somebody in the queue of a route."""

    __slots__ = ("on_place", "timer")

    def __init__(self, on_place: Callable[[], None], timer: asyncio.TimerHandle) -> None:
        self.on_place = on_place
        self.timer = timer


class ConcurrencyLimit:
    """The places of one route for commands that run at once, and the queue before them.

    Args:
        loop: the event loop.
        concurrency: places.
        queue_length: how many may wait when all places are taken.
        queue_seconds: how long one waits before it is refused.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        concurrency: int,
        queue_length: int,
        queue_seconds: float,
    ) -> None:
        self._loop = loop
        self.concurrency = concurrency
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._waiting: deque[Waiter] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    def acquire(
        self, on_place: Callable[[], None], on_refused: Callable[[], None]
    ) -> Waiter | None:
        """Take a place, now or later: exactly one of the two is called, unless `leave` is.

        Returns:
            The waiter if there is no place yet.
        """
        if self.running < self.concurrency:
            self.running += 1
            on_place()
            return None
        if len(self._waiting) >= self._queue_length:
            on_refused()
            return None

        def give_up() -> None:
            self._waiting.remove(waiter)
            on_refused()

        waiter = Waiter(on_place, self._loop.call_later(self._queue_seconds, give_up))
        self._waiting.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Stop waiting; neither of the waiter's calls will come."""
        waiter.timer.cancel()
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def release(self) -> None:
        """Give a place back; the first that waits gets it."""
        self.running -= 1
        self._fill()

    def adjust(self, concurrency: int, queue_length: int, queue_seconds: float) -> None:
        """Change the numbers; who runs or waits already, goes on to do so."""
        self.concurrency = concurrency
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self.running < self.concurrency:
            waiter = self._waiting.popleft()
            waiter.timer.cancel()
            self.running += 1
            waiter.on_place()
