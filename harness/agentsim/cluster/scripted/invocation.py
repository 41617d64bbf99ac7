"""What stands in the place of a process: a played command, its output, its end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from agentsim.cluster.scripted.host_state import HostState
from agentsim.cluster.scripted.provisioner import Refused, parse_call, play
from agentsim.core.outcome import Outcome
from agentsim.run.invocation import CommandSpec, Invocation
from agentsim.run.running_command import RunningCommand

#: The command that is played.
COMMAND: Final = "provisioner"
_MAX_STDIN_BYTES: Final = 8 << 20


class Player:
    """Starts the commands of one agent: a played one, or a process for every other.

    Args:
        hostname: of the agent.
        step_seconds: how long a step of a command takes that writes more than one line.

    Attributes:
        host: what the commands have come to.
    """

    def __init__(self, hostname: str, step_seconds: float) -> None:
        self.hostname = hostname
        self.step_seconds = step_seconds
        self.host = HostState()

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: CommandSpec,
        on_output: Callable[[bytes], None],
        on_finished: Callable[[Outcome, int], None],
        *more: Any,
    ) -> RunningCommand:
        """Make an invocation; it is not started yet."""
        if spec.command[0] != COMMAND:
            return Invocation(loop, spec, on_output, on_finished, *more)
        return PlayedInvocation(loop, spec, on_output, on_finished, self)


class PlayedInvocation:
    """A played command that runs."""

    pid = 0

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: CommandSpec,
        on_output: Callable[[bytes], None],
        on_finished: Callable[[Outcome, int], None],
        player: Player,
    ) -> None:
        self._loop = loop
        self._spec = spec
        self._on_output = on_output
        self._on_finished = on_finished
        self._player = player
        self._began = time.monotonic()
        self._lines: Iterator[str] = iter(())
        self._step: asyncio.Handle | None = None
        self._written = 0

    def start(self) -> None:
        """Begin."""
        size = os.fstat(self._spec.stdin).st_size
        stdin = os.pread(self._spec.stdin, min(size, _MAX_STDIN_BYTES), 0)
        arguments = [os.fsdecode(each) for each in self._spec.arguments]
        call = parse_call(
            arguments, stdin, self._spec.request_id, self._player.hostname, time.time()
        )
        self._lines = play(self._player.host, call)
        self._step = self._loop.call_soon(self._go_on)

    def cannot_start(self, error: OSError) -> None:
        """Say that there was no place for its input."""
        self._finish("exhausted", None, None, detail=error.strerror or "")

    def end(self, reason: str) -> None:
        """End it: it obeys SIGTERM at once."""
        if self._step is not None:
            self._finish(reason, None, 15)

    def kill(self) -> None:
        """Kill it: what it has done so far stays."""
        if self._step is not None:
            self._finish("signal", None, 9)

    def _go_on(self) -> None:
        try:
            line = next(self._lines, None)
        except Refused as refused:
            words = f"provisioner: {refused.words}\n".encode()
            self._finish("exit", refused.code, None, stderr=words)
            return
        if line is None:
            self._finish("exit", 0, None)
            return
        data = line.encode()
        self._written += len(data)
        self._on_output(data)
        if self._step is not None:
            self._step = self._loop.call_later(self._player.step_seconds, self._go_on)

    def _finish(
        self,
        reason: str,
        code: int | None,
        number: int | None,
        stderr: bytes = b"",
        detail: str = "",
    ) -> None:
        if self._step is not None:
            self._step.cancel()
            self._step = None
        seconds = time.monotonic() - self._began
        spec = self._spec
        self._on_finished(
            Outcome(spec.request_id, reason, code, number, seconds, spec.timeout, stderr, detail),
            self._written,
        )
