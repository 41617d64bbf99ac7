"""Which packages running processes still execute from, as far as proc_pid(5) tells.

A process keeps what it has mapped or opened, whatever becomes of the names; but what it opens later
(a library, a file of its own) would not be there any more.
"""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROCESSES = "/proc"


def processes_by_package(root: str, packages: Iterable[str]) -> dict[str, list[int]]:
    """The processes that execute a program or a library of one of the packages, work in its
    directory or have a file of it open (as shells have their scripts): ids, by package. This
    process is one of them if packager itself runs from a package. Processes of others are seen by
    root only."""
    wanted = frozenset(packages)
    found: dict[str, list[int]] = {}
    if not wanted:
        return found
    top = os.fsencode(os.path.realpath(root)) + b"/packages/"
    for name in os.listdir(PROCESSES):  # noqa: PTH208
        if name.isdigit():
            used = {path[len(top) :].partition(b"/")[0] for path in _paths(name, top)}
            for each in wanted & {os.fsdecode(package) for package in used}:
                found.setdefault(each, []).append(int(name))
    return found


def _paths(process: str, top: bytes) -> Iterator[bytes]:
    """The paths below `top` that the process uses; none of one that has ended meanwhile."""
    place = f"{PROCESSES}/{process}"
    links = [f"{place}/exe", f"{place}/cwd"]
    with suppress(OSError):
        links += [f"{place}/fd/{fd}" for fd in os.listdir(f"{place}/fd")]  # noqa: PTH208
    for link in links:
        with suppress(OSError):
            path = os.fsencode(os.readlink(link))  # noqa: PTH115
            if path.startswith(top):
                yield path
    with suppress(OSError), open(f"{place}/maps", "rb") as file:  # noqa: PTH123
        for line in file:
            before, found, rest = line.rstrip(b"\n").partition(top)
            if found and before.endswith(b" "):
                yield top + rest
