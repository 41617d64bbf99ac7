"""Process ids that are used again: a process that gets a number which somebody else had."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


@contextmanager
def innocent(pid: int) -> Iterator[subprocess.Popen[bytes] | None]:
    """A process of ours, leader of a group, that has a given number; None if there is none.

    Skips the test where numbers can't be chosen.
    """
    for _ in range(200):
        try:
            _LAST_PID.write_text(str(pid - 1))
        except OSError as error:
            pytest.skip(f"process ids can't be chosen here: {_LAST_PID}: {error.strerror}")
        process = subprocess.Popen(["sleep", "60"], start_new_session=True)
        try:
            if process.pid == pid:
                yield process
                return
        finally:
            process.kill()
            process.wait()
    yield None
