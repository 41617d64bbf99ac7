"""A command that runs, as whoever waits for it sees it: a process, or what stands in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from agentsim.core.outcome import Outcome
from agentsim.run.invocation import CommandSpec
from agentsim.run.pipe_holders import Bystander


class RunningCommand(Protocol):
    """A command that runs; `invocation.Invocation` is the usual one."""

    @property
    def pid(self) -> int:
        """Its process id, 0 if it has none."""

    def start(self) -> None:
        """Start it."""

    def cannot_start(self, error: OSError) -> None:
        """In place of `start`, where the host lacks what it would need."""

    def end(self, reason: str) -> None:
        """End it in the way that its route says."""

    def kill(self) -> None:
        """Kill it."""


#: Makes a command that can be started; the arguments are those of `Invocation`.
MakeCommand = Callable[
    [
        asyncio.AbstractEventLoop,
        CommandSpec,
        Callable[[bytes], None],
        Callable[[Outcome, int], None],
        Callable[[Sequence[Bystander]], None],
        Callable[[], None],
    ],
    RunningCommand,
]
