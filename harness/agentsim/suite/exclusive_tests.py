"""Tests that need the machine to themselves (`@pytest.mark.alone`), in a run of several workers.

While such a test runs, no other worker of pytest-xdist runs one: a number of the machine is of the
host then, and not of the neighbours. Each worker holds a lock during each test (flock(2)), shared
or exclusive; who waits for the exclusive one holds the gate that all pass, and so gets its turn.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


class MachineLock:
    """The turns of one worker.

    Args:
        run: what the workers of the run have in common, and no other run has.
    """

    def __init__(self, run: str) -> None:
        self._paths = [Path(tempfile.gettempdir(), f"abi-{run}.{name}") for name in ("gate", "run")]
        self._gate, self._lock = (path.open("w") for path in self._paths)

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:
        """Wait until a test may run, and hold off those that may not run beside it."""
        with ExitStack() as locks:
            fcntl.flock(self._gate, fcntl.LOCK_EX)
            with ExitStack() as passing:
                passing.callback(fcntl.flock, self._gate, fcntl.LOCK_UN)
                fcntl.flock(self._lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
                locks.callback(fcntl.flock, self._lock, fcntl.LOCK_UN)
            yield

    def close(self) -> None:
        """Take the files away; whoever has them open goes on using them."""
        for file, path in zip((self._gate, self._lock), self._paths, strict=True):
            file.close()
            path.unlink(missing_ok=True)
