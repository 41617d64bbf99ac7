"""How much memory a host takes while something goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from agentsim.suite.hosts.processes import resident

MIB = 1 << 20
#: What a host may need beside what a clause grants, whatever the size of what passes through it.
GRANTED = 32 * MIB
_LOOK = 0.01


@contextlib.contextmanager
def bounded(pid: int, most: int = GRANTED) -> Iterator[None]:
    """Fails if a process grows by more than `most` bytes at any time within the block."""
    before = highest = resident(pid)
    done = threading.Event()

    def look() -> None:
        nonlocal highest
        while not done.wait(_LOOK):
            with contextlib.suppress(OSError):
                highest = max(highest, resident(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    grown = highest - before
    assert grown <= most, f"the host grew by {grown // MIB} MiB, {most // MIB} were granted"
