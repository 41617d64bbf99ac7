"""Where the log goes: who reads it, or does not, never holds up the host.

What can't be written at once waits, up to a limit; beyond it lines are dropped and counted, and
their number is told as soon as there is room. So it is with a pipe that nobody reads, a terminal
that was stopped with Ctrl-S, a full disk.

A description that other programs share, as a terminal is with its shell, must not become
non-blocking for them: this opens one of its own.

Source: pipe(7), open(2) on O_NONBLOCK, proc(5) on `/proc/PID/fd`.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: Bytes of lines that wait.
MAX_WAITING_BYTES: Final = 1 << 20
#: Seconds that the last lines have to go out when the host ends.
MAX_CLOSING_SECONDS: Final = 1.0


class LogOutput:
    """Writes lines to a descriptor without ever waiting for it.

    Args:
        descriptor: where lines go.
        tell_dropped: makes the line that says how many were dropped.
    """

    def __init__(self, descriptor: int, tell_dropped: Callable[[int], bytes]) -> None:
        self._descriptor, self._write = _non_blocking(descriptor)
        self._tell_dropped = tell_dropped
        self._waiting: deque[tuple[bytes, int]] = deque()  # with the number of lines they stand for
        self._waiting_bytes = 0
        self._begun = False  # some of the first of them is written
        self._cut = False  # a line was written in part, and its rest dropped
        self._dropped = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # looks whether there is room

    def write(self, text: bytes) -> None:
        """Write whole lines, now or when there is room for them."""
        lines = text.count(b"\n")
        if self._waiting_bytes + len(text) > MAX_WAITING_BYTES:
            self._dropped += lines
            return
        self._append_dropped()
        self._append(text, lines)
        if self._loop is None:
            self._flush()

    def close(self) -> None:
        """Write what still waits, within a second; to be called when the event loop has ended."""
        self._loop = None
        end = time.monotonic() + MAX_CLOSING_SECONDS
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._waiting and time.monotonic() < end:
            if poll.poll(1000 * (end - time.monotonic())):
                self._flush()

    def _append(self, text: bytes, lines: int) -> None:
        if self._cut:
            text, self._cut = b"\n" + text, False
        self._waiting.append((text, lines))
        self._waiting_bytes += len(text)

    def _append_dropped(self) -> None:
        if self._dropped:
            self._append(self._tell_dropped(self._dropped), self._dropped)
            self._dropped = 0

    def _flush(self) -> None:
        while self._waiting:
            text, lines = self._waiting[0]
            try:
                written = self._write(text)
            except BlockingIOError:
                self._wait_for_room()
                return
            except OSError:  # no room on the disk, or nobody who could read
                self._drop()
                return
            self._waiting_bytes -= written
            self._begun = written < len(text)
            if self._begun:
                self._waiting[0] = (text[written:], lines)
            else:
                self._waiting.popleft()
                if not self._waiting:
                    self._append_dropped()
        if self._loop is not None:
            self._loop.remove_writer(self._descriptor)
            self._loop = None

    def _wait_for_room(self) -> None:
        if self._loop is not None:
            return
        try:
            loop = asyncio.get_running_loop()
            loop.add_writer(self._descriptor, self._flush)
        except RuntimeError:
            return  # the host ends, and whoever closes this waits
        except PermissionError:  # a device that can't be watched
            self._drop()
            return
        self._loop = loop

    def _drop(self) -> None:
        self._cut = self._begun or self._waiting[0][0].startswith(b"\n")
        self._dropped += sum(lines for _, lines in self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._begun = False


def _non_blocking(descriptor: int) -> tuple[int, Callable[[bytes], int]]:
    """A descriptor that leads to the same place, and how to write to it without waiting."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        own = socket.socket(fileno=os.dup(descriptor))
        return own.fileno(), lambda text: own.send(text, socket.MSG_DONTWAIT)
    number = descriptor
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            number = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:  # another user's terminal, a pipe without a reader, no /proc
            os.set_blocking(descriptor, False)
    return number, lambda text: os.write(number, text)
