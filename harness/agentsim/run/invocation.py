"""One run of a command: started, drained at all times, ended when it is time, seen to its end.

Four rules hold here:
- nothing waits: every wait is a descriptor or a timer of the event loop;
- both outputs are read as long as the command runs, whatever becomes of what was read;
- the invocation is over when the command's own process has exited; whatever is left of its process
  group is killed before the process is reaped, while its number can't belong to anybody else;
- there is exactly one call of `on_finished`, and after it no process, descriptor or timer is left,
  but for a command that can't be killed: that is reaped when it exits, and `on_late_exit` told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agentsim.core.outcome import Outcome
from agentsim.run.pipe_holders import Bystander, HolderSearch, Search, pipe_name
from agentsim.run.procfs import read_process
from agentsim.run.readiness import readiness
from agentsim.run.spawn import (
    RUNNING,
    Child,
    Exhausted,
    StartFailed,
    find,
    has_exited,
    reap,
    signal_group,
    spawn,
    why_alive,
)
from agentsim.run.spool import SpoolFull

_READ_BYTES = 256 * 1024
#: Bytes of standard error that are kept, counted from its end: one more than is shown, so that a
#: cut character can be told.
MAX_STDERR_BYTES = 4097
#: Seconds to wait for pipes that others hold on to after the command has exited.
MAX_HELD_PIPE_SECONDS = 1.0
#: Seconds to wait for the end of a command after SIGKILL: it may have become another user's, or
#: wait for a disk that does not answer.
MAX_DYING_SECONDS = 2.0
_FIRST_LOOK_SECONDS = 0.02
_NEXT_LOOK_SECONDS = 0.2
_MAX_DRAIN_READS = 16  # of _READ_BYTES: more than the largest pipe holds

_HOLDERS: Final = HolderSearch(lambda: RUNNING)


@dataclass(slots=True)
class CommandSpec:
    """All that is needed to run a command once.

    Attributes:
        command: argv prefix, as in the route table.
        arguments: what follows it.
        environment: all of the child's environment.
        directory: its working directory.
        limits: rlimits, umask and niceness.
        stdin: descriptor of its standard input.
        timeout, idle_timeout, grace: seconds.
        max_bytes: of standard output, in total.
        request_id: value of ABI_REQUEST_ID.
    """

    command: tuple[str, ...]
    arguments: Sequence[bytes]
    environment: Mapping[str, str]
    directory: str
    limits: Mapping[str, int]
    stdin: int
    timeout: float
    idle_timeout: float | None
    grace: float
    max_bytes: int
    request_id: str


class Invocation:
    """A command that runs.

    Args:
        loop: the event loop.
        spec: what to run.
        on_output: takes standard output as it comes; may raise SpoolFull.
        on_finished: told, once, how it ended and how many bytes of output were passed on.
        on_bystanders: told which processes held the command's pipes after its end and were left
            alone, as they are not known to descend from it; maybe after `on_finished`.
        on_late_exit: told that a command has exited which could not be killed in time, and of which
            `on_finished` was told that it runs on.
    """

    __slots__ = (
        "_abandoned",
        "_began",
        "_child",
        "_cut",
        "_detail",
        "_exited",
        "_last_output",
        "_loop",
        "_on_bystanders",
        "_on_finished",
        "_on_late_exit",
        "_on_output",
        "_open",
        "_output",
        "_ready",
        "_reason",
        "_spec",
        "_started",
        "_status",
        "_stderr",
        "_timers",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: CommandSpec,
        on_output: Callable[[bytes], None],
        on_finished: Callable[[Outcome, int], None],
        on_bystanders: Callable[[Sequence[Bystander]], None],
        on_late_exit: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._ready = readiness(loop)
        self._spec = spec
        self._on_output = on_output
        self._on_finished = on_finished
        self._on_bystanders = on_bystanders
        self._on_late_exit = on_late_exit
        self._child: Child | None = None
        self._began: int | None = None  # clock ticks; known only if its pipes stay open
        self._reason = ""
        self._detail = ""
        self._exited = False
        self._abandoned = False  # it can't be killed, and is waited for by nobody any more
        self._cut = False  # standard output is over its limit; the rest is read and dropped
        self._status: int | None = None
        self._stderr = b""
        self._output = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._started = self._last_output = 0.0
        self._open: set[int] = set()

    @property
    def pid(self) -> int:
        """The command's process id, 0 if it could not be started."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Start the command; a failure to start is reported through `on_finished`, too."""
        spec, loop = self._spec, self._loop
        self._started = self._last_output = time.monotonic()
        try:
            program = find(spec.command[0], spec.environment["PATH"])
            child = self._child = spawn(
                program,
                [*spec.command, *spec.arguments],
                spec.environment,
                spec.stdin,
                spec.limits,
                spec.directory,
            )
        except StartFailed as error:
            self._reason = "exhausted" if isinstance(error, Exhausted) else "start-failed"
            self._detail = str(error)
            self._finish()
            return
        self._open = {child.stdout, child.stderr}
        self._ready.watch(child.stdout, self._read_stdout)
        self._ready.watch(child.stderr, self._read_stderr)
        if child.pidfd >= 0:
            self._ready.watch(child.pidfd, self._exit_seen)
        else:
            SIGCHLD_WATCHERS.add(self._exit_seen)
        self._timers["timeout"] = loop.call_later(spec.timeout, self.end, "timeout")
        if spec.idle_timeout is not None:
            self._watch_idle()

    def cannot_start(self, error: OSError) -> None:
        """In place of `start`, where the host lacks what the command would need."""
        self._started = time.monotonic()
        self._reason = "exhausted"
        self._detail = f"The host can't start another process now: {error.strerror}"
        self._finish()

    # -- output -------------------------------------------------------------------------------

    def _read_stdout(self) -> bool:
        assert self._child is not None
        data = self._read(self._child.stdout)
        if data:
            self._take(data)
        return bool(data)

    def _take(self, data: bytes) -> None:
        if self._cut:
            return
        room = self._spec.max_bytes - self._output
        try:
            if room:
                self._on_output(data[:room])
                self._output += min(len(data), room)
        except SpoolFull as error:
            self._cut, self._detail = True, str(error)
            self.end("spool-full")
        if len(data) > room:
            self._cut = True
            self.end("output-limit")

    def _read_stderr(self) -> bool:
        assert self._child is not None
        data = self._read(self._child.stderr)
        if data:
            self._stderr = (self._stderr + data)[-MAX_STDERR_BYTES:]
        return bool(data)

    def _read(self, descriptor: int) -> bytes:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        if data:
            self._last_output = self._loop.time()
        else:
            self._close(descriptor)
            if self._exited and not self._open:
                self._finish()
        return data

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        self._ready.forget(descriptor)
        os.close(descriptor)

    def _watch_idle(self) -> None:
        assert self._spec.idle_timeout is not None
        due = self._last_output + self._spec.idle_timeout
        if due <= self._loop.time():
            self.end("idle-timeout")
        else:
            self._timers["idle"] = self._loop.call_at(due, self._watch_idle)

    # -- the end ------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """End the command: SIGTERM to its group now, SIGKILL after the grace period.

        Args:
            reason: kept for the result; the first reason counts.
        """
        if self._reason or self._child is None:
            return
        if self._exited:
            if self._cut:
                self._reason = reason  # what a process that escaped wrote was too much
            return
        self._reason = reason
        pid = self._child.pid
        signal_group(pid, signal.SIGTERM)
        signal_group(pid, signal.SIGCONT)  # a stopped process acts on SIGTERM only once it runs
        self._timers["grace"] = self._loop.call_later(self._spec.grace, self.kill)

    def kill(self) -> None:
        """Kill the command's process group now."""
        if self._child is None or self._exited:
            return
        signal_group(self._child.pid, signal.SIGKILL)
        if self._reason and "dying" not in self._timers:
            self._timers["dying"] = self._loop.call_later(MAX_DYING_SECONDS, self._abandon)

    def _abandon(self) -> None:
        """Wait no longer for the end of a command that SIGKILL has not ended."""
        child = self._child
        assert child is not None
        if has_exited(child):
            self._exit_seen()
            return
        self._abandoned = True
        self._detail = why_alive(child.pid, MAX_DYING_SECONDS)
        for descriptor in tuple(self._open):
            self._close(descriptor)
        self._finish()

    def _exit_seen(self) -> None:
        child = self._child
        assert child is not None
        if child.pidfd < 0 and not has_exited(child):
            return
        signal_group(child.pid, signal.SIGKILL)
        if self._abandoned:
            self._reap(child)
            self._on_late_exit()
            return
        self._drain(child)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._open:
            process = read_process(child.pid)  # while the number is still the command's
            self._began = process.began if process is not None else None
        self._status = self._reap(child)
        if self._open:
            self._look_for_holders(_FIRST_LOOK_SECONDS)
            self._timers["held"] = self._loop.call_later(MAX_HELD_PIPE_SECONDS, self._let_go)
        else:
            self._finish()

    def _reap(self, child: Child) -> int:
        status = reap(child)
        self._exited = True
        if child.pidfd >= 0:
            self._ready.forget(child.pidfd)
            os.close(child.pidfd)
        else:
            SIGCHLD_WATCHERS.discard(self._exit_seen)
        return status

    def _drain(self, child: Child) -> None:
        # Bounded: a process that escaped may go on writing for ever.
        for descriptor, read in (
            (child.stderr, self._read_stderr),
            (child.stdout, self._read_stdout),
        ):
            for _ in range(_MAX_DRAIN_READS):
                if descriptor not in self._open or not read():
                    break

    def _look_for_holders(self, seconds: float) -> None:
        """After so many seconds, and again then: who is killed may have started others."""

        def look() -> None:
            self._look(everybody=False)
            self._look_for_holders(_NEXT_LOOK_SECONDS)

        self._timers["look"] = self._loop.call_later(seconds, look)

    def _look(self, *, everybody: bool) -> None:
        if self._began is None:
            return  # nobody can be told to be the command's
        loop, tell = self._loop, self._on_bystanders

        def on_bystanders(bystanders: Sequence[Bystander]) -> None:
            if everybody:  # of an earlier look they may have been taken for what they are not yet
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(tell, bystanders)

        pipes = frozenset(map(pipe_name, self._open))
        _HOLDERS.begin(Search(pipes, self._began, everybody, on_bystanders))

    def _let_go(self) -> None:
        self._look(everybody=True)
        for descriptor in tuple(self._open):
            self._close(descriptor)
        self._finish()

    def _finish(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        child = self._child
        if child is not None and child.failure >= 0:
            report = b""
            with contextlib.suppress(BlockingIOError):  # it has not come so far
                report = os.read(child.failure, 4096)
            os.close(child.failure)
            if report:
                # It may be cut in the middle of a character.
                self._reason, self._detail = "start-failed", report.decode(errors="replace")
                self._status = None
        self._on_finished(self._outcome(), self._output)

    def _outcome(self) -> Outcome:
        status = self._status  # exit code, or the negative number of a signal
        return Outcome(
            request_id=self._spec.request_id,
            reason=self._reason or ("signal" if (status or 0) < 0 else "exit"),
            exit_code=status if status is not None and status >= 0 else None,
            signal=-status if status is not None and status < 0 else None,
            seconds=time.monotonic() - self._started,
            timeout=self._spec.timeout,
            stderr=self._stderr,
            detail=os.fsencode(self._detail).decode(errors="replace"),  # names have any bytes
        )


#: Invocations without a pidfd, looked at after each SIGCHLD.
SIGCHLD_WATCHERS: set[Callable[[], None]] = set()


def look_at_children() -> None:
    """To be called on SIGCHLD where `SIGCHLD_WATCHERS` may be used."""
    for watcher in tuple(SIGCHLD_WATCHERS):
        watcher()
