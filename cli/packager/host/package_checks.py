"""The checks of the active packages: programs in `check/` of a package that say whether it works.

pkgpanda's convention: every executable file there is a check, run without arguments; it passes if
it exits with 0. Here they run side by side, each in a process group of its own with a time-out, and
what they say is kept apart. One thread watches them all.
"""

from __future__ import annotations

import os
import selectors
import signal
import stat
import subprocess
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from packager.base.errors import NotFound
from packager.base.process_exit import POLL_SECONDS, has_exited, open_exit_descriptor
from packager.base.stop_signals import signals_deferred
from packager.package.package_id import split_id

DIRECTORY = "check"
TERM_TIMEOUT_SECONDS = 2.0  # seconds between SIGTERM and SIGKILL
MAX_OUTPUT_BYTES = 64 << 10  # bytes kept of each output, the last ones
PIECE_BYTES = 1 << 16
LAST_READS = 16  # of PIECE: as much as the largest pipe holds
MAX_WAIT_SECONDS = 0.5  # between two looks at what no descriptor tells


class Check:
    """One check of one active package."""

    __slots__ = ("name", "package", "path")

    def __init__(self, package: str, name: str, path: str) -> None:
        self.package = package  # id
        self.name = name  # of the file
        self.path = path


class Result:
    """What became of a check. reason: exit, signal, timeout, start-failed.

    Exactly one of exit_code and signal is not None, neither if it could not be started. The outputs
    are the last MOST_OUTPUT bytes, as text; `truncated` if there was more.
    """

    def __init__(self, check: Check, reason: str, seconds: float) -> None:
        self.check = check
        self.reason = reason
        self.seconds = seconds
        self.exit_code: int | None = None
        self.signal: str | None = None
        self.stdout = ""
        self.stderr = ""
        self.truncated = False

    @property
    def ok(self) -> bool:
        return self.reason == "exit" and self.exit_code == 0

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "package": self.check.package,
            "name": self.check.name,
            "ok": self.ok,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "seconds": round(self.seconds, 3),
            "stdout": self.stdout,
            "stderr": self.stderr,
            "truncated": self.truncated,
        }


def find(root: str, ids: Iterable[str], names: Sequence[str] = ()) -> tuple[list[Check], list[str]]:
    """The checks of these packages, sorted; and the paths in `check/` that are not executable.

    `names` restricts them to packages (names or ids) or checks (names). Raises NotFound for one of
    these that is neither, OSError.
    """
    found: list[Check] = []
    passed: list[str] = []
    unused = set(names)
    for package_id in sorted(ids):
        directory = f"{root}/packages/{package_id}/{DIRECTORY}"
        matching = {package_id, split_id(package_id)[0]} & set(names)
        unused -= matching
        for name in _entries(directory):
            if names and not matching and name not in names:
                continue
            unused.discard(name)
            if _is_program(f"{directory}/{name}"):
                found.append(Check(package_id, name, f"{directory}/{name}"))
            else:
                passed.append(f"{package_id}/{DIRECTORY}/{name}")
    if unused:
        raise NotFound(f"{min(unused)} is neither an active package nor a check of one")
    return found, passed


def run(
    checks: Iterable[Check], *, timeout: float, jobs: int, environment: Mapping[str, str]
) -> Generator[Result, None, None]:
    """Run the checks, at most `jobs` at once; their results as they come.

    timeout: seconds for each. Closing the iterator ends what still runs.
    """
    waiting = deque(checks)
    running: dict[int, _Running] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    with signals_deferred():
                        begun = _begin(waiting.popleft(), timeout, environment, selector)
                        if isinstance(begun, _Running):
                            running[begun.process.pid] = begun
                    if isinstance(begun, Result):
                        yield begun
                yield from _finished(running, selector)
        finally:
            for each in running.values():
                each.end(selector)


class _Running:
    """A check at work: its process, the end of its time, what it has said."""

    def __init__(self, check: Check, process: subprocess.Popen[bytes], timeout: float) -> None:
        self.check = check
        self.process = process
        self.begun = time.monotonic()
        self.deadline = self.begun + timeout
        self.timed_out = False
        self.exit_descriptor = open_exit_descriptor(process.pid)
        assert process.stdout is not None and process.stderr is not None
        self.outputs = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
        self.truncated = False
        self.exited = False

    @property
    def descriptors(self) -> list[int]:
        """What tells of it."""
        told = [] if self.exit_descriptor is None else [self.exit_descriptor]
        return [*told, *self.outputs]

    def hear(self, fd: int) -> bool:
        """Read what is there; False at the end of it."""
        try:
            piece = os.read(fd, PIECE_BYTES)
        except BlockingIOError:
            return True
        kept = self.outputs[fd]
        kept += piece
        if len(kept) > MAX_OUTPUT_BYTES:
            del kept[:-MAX_OUTPUT_BYTES]
            self.truncated = True
        return bool(piece)

    def press(self, now: float) -> None:
        """End it if its time is over: politely first."""
        if self.exited or now < self.deadline:
            return
        self.kill(signal.SIGKILL if self.timed_out else signal.SIGTERM)
        self.timed_out, self.deadline = True, now + TERM_TIMEOUT_SECONDS

    def kill(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def end(self, selector: selectors.BaseSelector) -> Result:
        """Kill what is left of it, take its last words, and judge."""
        self.kill(signal.SIGKILL)  # before it is reaped: the group is certainly its own
        returned = self.process.wait()
        for fd in list(self.outputs):
            for _ in range(LAST_READS):  # one that left the group may go on writing for ever
                if not self._more(fd):
                    break
        for fd in self.descriptors:
            with suppress(KeyError):
                selector.unregister(fd)
        if self.exit_descriptor is not None:
            os.close(self.exit_descriptor)
        result = Result(self.check, "exit", time.monotonic() - self.begun)
        if returned < 0:
            result.reason, result.signal = "signal", _signal_name(-returned)
        else:
            result.exit_code = returned
        if self.timed_out:
            result.reason = "timeout"
        result.stdout, result.stderr = (
            bytes(said).decode(errors="replace") for said in self.outputs.values()
        )
        result.truncated = self.truncated
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return result

    def _more(self, fd: int) -> bool:
        ready = selectors.PollSelector()
        with ready:
            ready.register(fd, selectors.EVENT_READ)
            return bool(ready.select(0)) and self.hear(fd)


def _begin(
    check: Check, timeout: float, environment: Mapping[str, str], selector: selectors.BaseSelector
) -> _Running | Result:
    try:
        process = subprocess.Popen(
            [check.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        result = Result(check, "start-failed", 0.0)
        result.stderr = f"{check.path}: {error.strerror}"
        return result
    begun = _Running(check, process, timeout)
    try:
        for fd in begun.outputs:
            os.set_blocking(fd, False)
        for fd in begun.descriptors:
            selector.register(fd, selectors.EVENT_READ, begun)
    except BaseException:
        begun.end(selector)  # nobody else knows of it yet
        raise
    return begun


def _finished(running: dict[int, _Running], selector: selectors.BaseSelector) -> Iterator[Result]:
    now = time.monotonic()
    if running:
        untold = [each for each in running.values() if each.exit_descriptor is None]
        longest = POLL_SECONDS if untold else MAX_WAIT_SECONDS
        nearest = min(each.deadline for each in running.values())
        for event, _ in selector.select(min(longest, max(0.0, nearest - now))):
            each: _Running = event.data
            if event.fd == each.exit_descriptor:
                each.exited = True
            elif not each.hear(event.fd):
                selector.unregister(event.fd)
        for each in untold:
            each.exited = has_exited(each.process.pid)
    now = time.monotonic()
    for each in list(running.values()):
        each.press(now)
        if each.exited:
            with signals_deferred():
                del running[each.process.pid]
                result = each.end(selector)
            yield result


def _entries(directory: str) -> list[str]:
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            return []
        return sorted(os.listdir(directory))  # noqa: PTH208
    except FileNotFoundError:
        return []


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
