"""Which of the commands' descriptors have become readable: an epoll(7) set of their own.

The event loop watches the set, and not each of three descriptors for each command: what it keeps of
a reader (a key, a handle, a context) costs a short command as much as its pipes.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

_AT_ONCE: Final = 64  # what is left comes with the loop's next turn


class Readiness:
    """Calls back for descriptors that are readable, or whose other side has ended.

    Args:
        loop: the event loop that watches.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._set = select.epoll()
        self._callbacks: dict[int, Callable[[], object]] = {}
        loop.add_reader(self._set.fileno(), self._look)

    def watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call back as long as the descriptor is readable.

        Raises:
            OSError: the kernel has no room for it.
        """
        self._set.register(descriptor, select.EPOLLIN)
        self._callbacks[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        """Call back no more; to be called before the descriptor is closed."""
        if self._callbacks.pop(descriptor, None) is not None:
            # A fork of this process may have it open still: closing would not do.
            self._set.unregister(descriptor)

    def _look(self) -> None:
        events = self._set.poll(0, _AT_ONCE)
        found = [(number, self._callbacks.get(number)) for number, _ in events]
        for number, callback in found:
            # One callback may have closed another's descriptor, and its number be somebody else's.
            if callback is not None and self._callbacks.get(number) is callback:
                callback()


_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Readiness] = WeakKeyDictionary()


def readiness(loop: asyncio.AbstractEventLoop) -> Readiness:
    """The set of an event loop.

    Raises:
        OSError: there are no descriptors for it, the first time.
    """
    found = _OF_LOOPS.get(loop)
    if found is None:
        found = _OF_LOOPS[loop] = Readiness(loop)
    return found
