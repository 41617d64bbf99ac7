"""Which commands of a host wait and which run, the request ids that are taken, and their end."""

from __future__ import annotations

import asyncio
import os
from typing import Protocol


class Command(Protocol):
    """A request for a command, once its body is complete."""

    def stop_waiting(self) -> None:
        """There will be no place for it: answer without one."""

    def end(self, reason: str) -> None:
        """End it in the way that its route says."""

    def kill(self) -> None:
        """Kill it."""


class CommandRegistry:
    """The commands of one host.

    Args:
        loop: the event loop.

    Attributes:
        closing: whether no command is started any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: set[Command] = set()
        self._running: dict[Command, str] = {}
        self._abandoned: dict[Command, str] = {}
        self._request_ids: set[str] = set()  # of those that run, or were abandoned
        self.closing = False
        self._closed: asyncio.Future[None] | None = None

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._running)

    def runs(self, command: Command) -> bool:
        """Whether a command has started and not ended."""
        return command in self._running

    def wait(self, command: Command) -> None:
        """A command waits for a place."""
        self._waiting.add(command)

    def leave(self, command: Command) -> None:
        """A command does not wait any more; harmless for one that did not."""
        self._waiting.discard(command)

    def start(self, command: Command, request_id: str) -> str:
        """A command starts now.

        Returns:
            Its id: the request's, unless a command that runs has the same.
        """
        self._waiting.discard(command)
        while request_id in self._request_ids:
            request_id = os.urandom(8).hex()
        self._request_ids.add(request_id)
        self._running[command] = request_id
        return request_id

    def abandon(self, command: Command) -> None:
        """A command can't be killed: its end is not waited for, but its id stays taken."""
        self._abandoned[command] = self._running.pop(command)
        self._check_closed()

    def finish(self, command: Command) -> None:
        """A command has ended, or could not be started."""
        request_id = self._abandoned.pop(command, None) or self._running.pop(command)
        self._request_ids.discard(request_id)
        self._check_closed()

    def _check_closed(self) -> None:
        if self._closed is not None and not self._running and not self._closed.done():
            self._closed.set_result(None)

    async def close(self) -> None:
        """Start no command any more, end those that run as their routes say, wait for their end."""
        self.closing = True
        for command in tuple(self._waiting):
            command.stop_waiting()
        if self._running:
            self._closed = self._loop.create_future()
            for command in tuple(self._running):
                command.end("shutdown")
            await self._closed

    def kill(self) -> None:
        """Kill what still runs."""
        for command in tuple(self._running):
            command.kill()
