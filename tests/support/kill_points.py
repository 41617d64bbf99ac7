"""Killed, or refused by the kernel, at every system call that changes the disk.

strace sees a command's calls in a first run, and then delivers SIGKILL (or an error) at each of
them in a run of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest

CALLS = (
    *("mkdir", "mkdirat", "openat", "write", "pwrite64", "symlink", "symlinkat", "link", "linkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "ftruncate"),
    *("chmod", "fchmod", "fchmodat", "fsync", "fdatasync", "syncfs", "flock"),
)
SEEN = re.compile(r"^\d+ +(\w+)\((.*)")


def scenes(names: Iterable[str], long: Iterable[str]) -> list[object]:
    """Parameters of a test: those of `long` are for `nox -s long`."""
    return [pytest.param(each, marks=pytest.mark.long) if each in long else each for each in names]


@cache
def why_no_strace() -> str:
    """The reason why system calls can't be counted here; empty if they can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


class Point:
    """One system call of a command: the `index`-th of its name."""

    def __init__(self, call: str, index: int, arguments: str) -> None:
        self.call = call
        self.index = index
        self.arguments = arguments

    def __str__(self) -> str:
        return f"{self.call} #{self.index} ({self.arguments[:60]})"

    @property
    def to_terminal(self) -> bool:
        return self.call == "write" and self.arguments.startswith(("1,", "2,"))

    @property
    def changes_something(self) -> bool:
        """Whether the disk is another after this call: not if it failed, or only locked."""
        failed = " = -1 " in self.arguments
        locks = self.call == "flock" or (self.call == "openat" and "lock" in self.arguments)
        return not (failed or locks or self.to_terminal)


def counting(log: Path, calls: Iterable[str] = CALLS) -> list[str]:
    """The tracer (see `fork_server.run`) whose log has these calls: see `points`."""
    return _tracer(log, ",".join(f"?{call}" for call in calls))


def doing(what: str, point: Point, log: Path) -> list[str]:
    """The tracer that does `what` (signal=KILL, error=EIO) at this call; if that ends with "+", at
    all calls of the same name from there on."""
    rule = f"inject={point.call}:{what.rstrip('+')}:when={point.index}"
    rule += "+" if what.endswith("+") else ""
    return [*_tracer(log, point.call), "-e", rule]


def points(log: str) -> list[Point]:
    """The calls in a log; of files that were opened only those that were made."""
    counts: dict[str, int] = {}
    found = []
    for line in log.splitlines():
        match = SEEN.match(line)
        if match:
            call, arguments = match.groups()
            counts[call] = counts.get(call, 0) + 1
            if call != "openat" or "O_CREAT" in arguments:
                found.append(Point(call, counts[call], arguments))
    return found


def tell(
    kind: str, name: str, tried: int, lost: list[str], record: Callable[[str, object], None]
) -> None:
    """Print and record how many were tried and lost; fail if any was."""
    told = f"{name}: {tried} tried, {len(lost)} lost"
    record(kind, told)
    print(f"{kind} of {told}")
    assert not lost, "\n".join(lost[:20])
    assert tried


def _tracer(log: Path, calls: str) -> list[str]:
    return ["strace", "-f", "-s", "60", "-o", str(log), "-e", f"trace={calls}"]
