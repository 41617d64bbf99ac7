"""How many commands of a route run at once, and how many requests wait for a place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Waiter:
    """Somebody in the queue of a route."""

    __slots__ = ("on_place", "timer")

    def __init__(self, on_place: Callable[[], None], timer: asyncio.TimerHandle) -> None:
        self.on_place = on_place
        self.timer = timer


class ConcurrencyLimit:
    """The places of one route for commands that run at once, and the queue before them.

    Places that become free are handed to those that wait by the event loop, one a turn: who takes
    one may give it back at once, however many wait.

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
        self._waiting: dict[Waiter, None] = {}  # in the order of their coming
        self._handing_over = False
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
        if self.running < self.concurrency and not self._waiting:
            self.running += 1
            on_place()
            return None
        if len(self._waiting) >= self._queue_length:
            on_refused()
            return None

        def give_up() -> None:
            del self._waiting[waiter]
            on_refused()

        waiter = Waiter(on_place, self._loop.call_later(self._queue_seconds, give_up))
        self._waiting[waiter] = None
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Stop waiting; neither of the waiter's calls will come."""
        waiter.timer.cancel()
        self._waiting.pop(waiter, None)

    def release(self) -> None:
        """Give a place back; the first that waits gets it, soon."""
        self.running -= 1
        self._hand_over_soon()

    def adjust(self, concurrency: int, queue_length: int, queue_seconds: float) -> None:
        """Change the numbers; who runs or waits already, goes on to do so."""
        self.concurrency = concurrency
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._hand_over_soon()

    def _hand_over_soon(self) -> None:
        if self._waiting and self.running < self.concurrency and not self._handing_over:
            self._handing_over = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._handing_over = False
        if not self._waiting or self.running >= self.concurrency:
            return  # whoever waited has left, or there are fewer places now
        waiter = next(iter(self._waiting))
        del self._waiting[waiter]
        waiter.timer.cancel()
        self.running += 1
        self._hand_over_soon()
        waiter.on_place()
