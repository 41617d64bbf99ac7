"""What /proc shows of a host and of its commands (proc(5))."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_LOOK = 0.01


def wait_until(condition: Callable[[], _T], seconds: float, what: str = "the condition") -> _T:
    """Look again and again until something is so.

    Args:
        condition: what is waited for; its value is returned once it is true.
        seconds: how long at the most.
        what: named when it does not come about.

    Raises:
        TimeoutError: it did not become so.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come about within {seconds} s")
        time.sleep(_LOOK)
    return value


def wait_while_working(
    pid: int, condition: Callable[[], _T], seconds: float, what: str = "the condition"
) -> _T:
    """As `wait_until`, of much work: what is limited is the time for which a process does nothing,
    and the processor time that it takes. A busy machine fails nothing so, and no host that turns
    in a circle keeps the suite.

    Args:
        pid: who does the work.
        condition, what: as in `wait_until`.
        seconds: how long without any work, and how much processor time.

    Raises:
        TimeoutError: it did not become so.
    """
    began = used = _processor_seconds(pid)
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come about, nor anything else for {seconds} s")
        if (now := _processor_seconds(pid)) != used:
            used, end = now, time.monotonic() + seconds
        if used - began > seconds:
            raise TimeoutError(f"{what} did not come about in {seconds} s of processor time")
        time.sleep(_LOOK)
    return value


def _processor_seconds(pid: int) -> float:
    return sum(map(int, stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def of_request(request_id: str) -> list[int]:
    """The processes that were started for a request, zombies left out."""
    marker = b"\0ABI_REQUEST_ID=" + request_id.encode() + b"\0"
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if marker in b"\0" + environment + b"\0":
                found.append(int(name))
    return found


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on."""
    return parse_stat(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace"))


def parse_stat(text: str) -> list[str]:
    """The fields of a `stat` file from the third (the state) on."""
    return text.rpartition(")")[2].split()


def descendants(pid: int) -> list[int]:
    """All children of a process and theirs, zombies too."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents.setdefault(int(stat(int(name))[1]), []).append(int(name))
            except OSError:
                continue
    found, look_at = [], [pid]
    while look_at:
        children = parents.get(look_at.pop(), [])
        found += children
        look_at += children
    return found


def zombies(pid: int) -> list[int]:
    """Descendants of a process that have ended and were not reaped."""
    found = []
    for child in descendants(pid):
        try:
            if stat(child)[0] == "Z":
                found.append(child)
        except OSError:
            continue
    return found


def status(pid: int, name: str) -> str:
    """A field of /proc/PID/status."""
    return parse_status(Path(f"/proc/{pid}/status").read_text("utf-8", "replace"))[name]


def parse_status(text: str) -> dict[str, str]:
    """The fields of a `status` file."""
    return {
        name: value.strip() for name, _, value in (line.partition(":") for line in text.split("\n"))
    }


def resident(pid: int) -> int:
    """Bytes of memory that a process has for itself (resident and anonymous)."""
    return int(status(pid, "RssAnon").split()[0]) * 1024


def threads(pid: int) -> int:
    """Threads of a process."""
    return int(status(pid, "Threads"))


def descriptors(pid: int) -> list[str]:
    """What the open descriptors of a process lead to."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(str(Path(f"/proc/{pid}/fd/{name}").readlink()))
        except OSError:
            continue
    return found
