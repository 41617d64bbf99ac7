"""Running a command by its command line: as a host does, or in surroundings that are worse."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentsim.core.environment import base_environment, environment
from agentsim.core.route import Route
from agentsim.core.route_table import Table
from agentsim.verify.exit_trace import ExitTrace, ask_to_be_traced
from agentsim.verify.left_processes import LeftProcesses
from agentsim.verify.sample_values import Sample

#: Bytes of each output that are kept.
_KEPT = 16 << 20
_READ = 1 << 16
#: Seconds between two looks at a program that is traced.
_TRACE_SECONDS = 0.01
#: For how long what the pipes still hold is read, once the command has ended.
_DRAIN_SECONDS = 1.0
#: For how long the end of a command that was sent SIGKILL is waited for.
_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How a run differs from the one that a host gives.

    Attributes:
        stdin: `usual` (the body, or /dev/null), `open` (a pipe in which nothing comes, nor its
            end), `closed`.
        stdout: `pipe`, `full` (/dev/full), `gone` (a pipe without a reader), `closed`.
        variables: over the environment.
        signals: (seconds after the start, number), in order.
    """

    stdin: str = "usual"
    stdout: str = "pipe"
    variables: Mapping[str, str] = field(default_factory=dict)
    signals: Sequence[tuple[float, int]] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did.

    Attributes:
        status: exit code, or the negative number of a signal; None if it did not end in time.
        stdout, stderr: what it wrote.
        first_output: seconds from the start at which stdout began; None if nothing came.
        seconds: from the start to the end.
        signalled: seconds from the start to the first signal that reached it, None if it was over.
        left_behind: processes of it that were alive after its end.
        stdout_at_exit: the file that was its standard output when it began to exit, as /proc names
            it, empty if there was none; looked at if stdout was closed, None if not seen.
    """

    status: int | None
    stdout: bytes
    stderr: bytes
    first_output: float | None
    seconds: float
    signalled: float | None = None
    left_behind: int = 0
    stdout_at_exit: str | None = None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.status is None:
            return "it did not end"
        if self.status < 0:
            with contextlib.suppress(ValueError):
                return f"it was ended by {signal.Signals(-self.status).name}"
            return f"it was ended by signal {-self.status}"
        return f"it exited with {self.status}"


class Runner:
    """Runs the command of a table, and ends what it leaves behind.

    Makes this process the subreaper of its descendants.

    Args:
        table: whose command.
        variables: over the table's environment, as a host's `--environment`.
        body: the file that is standard input where a route takes a body; None: an empty one.
        timeout: seconds that a run may take, if its route does not give it less.
    """

    def __init__(
        self, table: Table, variables: Mapping[str, str], body: Path | None, timeout: float
    ) -> None:
        self._table = table
        self._environment = base_environment(table, variables)
        self._body = body
        self._timeout = timeout
        self._count = 0
        self._left_processes = LeftProcesses()

    def timeout(self, route: Route) -> float:
        """Seconds that a run of a route may take."""
        return min(self._timeout, route.timeout)

    def run(
        self,
        sample: Sample,
        how: Surroundings | None = None,
        arguments: Sequence[bytes] | None = None,
    ) -> Run:
        """Run a request's command line once, to its end or its time-out.

        Args:
            sample: the request.
            how: the surroundings; a host's if not given.
            arguments: in place of the request's.

        Raises:
            OSError: the command can't be started.
        """
        how = how or Surroundings()
        words = sample.arguments if arguments is None else arguments
        argv: list[str | bytes] = [*self._table.command, *words]
        shut = {"stdin": "<&-", "stdout": ">&-"}
        closed = [text for name, text in shut.items() if getattr(how, name) == "closed"]
        if closed:
            argv = ["/bin/sh", "-c", f'exec "$@" {" ".join(closed)}', "sh", *argv]
        self._count += 1
        request_id = f"verify-{os.getpid()}-{self._count}"
        timeout = self.timeout(sample.route)
        variables = environment(
            self._environment,
            sample.route,
            method=sample.route.methods[0],
            request_id=request_id,
            deadline=time.time() + timeout,
            principal=None,
        )
        with contextlib.ExitStack() as stack:
            stdin = self._stdin(sample.route, how.stdin, stack)
            stdout = _stdout(how.stdout, stack)
            started = time.monotonic()
            process = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                env={**variables, **how.variables},
                cwd=sample.route.working_directory,
                start_new_session=True,
                preexec_fn=ask_to_be_traced if how.stdout == "closed" else None,  # noqa: PLW1509 - one thread
            )
            trace = ExitTrace(process.pid) if how.stdout == "closed" else None
            try:
                run = _Watch(process, trace, started, started + timeout, how.signals).end()
            except BaseException:  # the verification itself is interrupted
                _kill_group(process.pid)
                self._left_processes.end(process.pid)
                raise
            left = self._left_processes.end(process.pid)
            if run.status is not None:
                process.wait()
        return replace(run, left_behind=left)

    def _stdin(self, route: Route, kind: str, stack: contextlib.ExitStack) -> int:
        if kind == "open":
            read, write = os.pipe()
            stack.callback(os.close, read)
            stack.callback(os.close, write)
            return read
        if route.stdin == "body" and self._body is not None:
            return stack.enter_context(self._body.open("rb")).fileno()
        return subprocess.DEVNULL


def _stdout(kind: str, stack: contextlib.ExitStack) -> int:
    if kind == "full":
        return stack.enter_context(Path("/dev/full").open("wb")).fileno()
    if kind == "gone":
        read, write = os.pipe()
        os.close(read)
        stack.callback(os.close, write)
        return write
    return subprocess.PIPE if kind == "pipe" else subprocess.DEVNULL


class _Watch:
    """Reads a process's outputs and signals it, until it has ended or its time is over."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        trace: ExitTrace | None,
        started: float,
        deadline: float,
        signals: Sequence[tuple[float, int]],
    ) -> None:
        self._process = process
        self._trace = trace
        self._started = started
        self._deadline = deadline
        self._signals = list(signals)
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._first_output: float | None = None
        self._signalled: float | None = None

    def end(self) -> Run:
        pidfd = os.pidfd_open(self._process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ, self._nothing)
            for name in ("stdout", "stderr"):
                pipe = getattr(self._process, name)
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    selector.register(pipe, selectors.EVENT_READ, self._reader(name, pipe.fileno()))
            ended = self._until_exit(selector, pidfd, self._deadline)
            seconds = time.monotonic() - self._started
            if not ended:
                _kill_group(self._process.pid)
                self._until_exit(selector, pidfd, time.monotonic() + _KILL_SECONDS)
            # A process that was left behind may write for ever.
            drained = time.monotonic() + _DRAIN_SECONDS
            for key in list(selector.get_map().values()):
                while key.data() and time.monotonic() < drained:
                    pass
        os.close(pidfd)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return Run(
            self._status() if ended else None,
            bytes(self._output["stdout"]),
            bytes(self._output["stderr"]),
            self._first_output,
            seconds,
            self._signalled,
            stdout_at_exit=self._trace.stdout if self._trace is not None else None,
        )

    def _status(self) -> int:
        # Not reaped before what it left behind is found: until then its number is its own.
        info = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert info is not None
        return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

    def _until_exit(self, selector: selectors.BaseSelector, pidfd: int, deadline: float) -> bool:
        """Whether it has exited before the deadline."""
        while True:
            now = time.monotonic()
            if self._signals and now >= self._started + self._signals[0][0]:
                self._signalled = self._signalled or now - self._started
                _kill_group(self._process.pid, self._signals.pop(0)[1])
            if now >= deadline:
                return False
            wake = self._started + self._signals[0][0] if self._signals else deadline
            if self._trace is not None:
                self._trace.follow()
                wake = min(wake, now + _TRACE_SECONDS)
            for key, _ in selector.select(max(min(wake, deadline) - now, 0)):
                if key.fd == pidfd:
                    return True
                if key.data() is None:
                    selector.unregister(key.fileobj)

    def _nothing(self) -> bytes:
        return b""

    def _reader(self, name: str, descriptor: int) -> Callable[[], bytes | None]:
        def read() -> bytes | None:
            """Some output; empty if there is none now, None at the end."""
            try:
                data = os.read(descriptor, _READ)
            except BlockingIOError:
                return b""
            if not data:
                return None
            output = self._output[name]
            output += data[: _KEPT - len(output)]
            if name == "stdout" and self._first_output is None:
                self._first_output = time.monotonic() - self._started
            return data

        return read


def _kill_group(leader: int, number: int = signal.SIGKILL) -> None:
    """A signal to the group of a command that is not reaped yet.

    Nothing if it may not be sent: a command that became another user (sudo) has to end by itself.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
