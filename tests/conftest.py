"""Fixtures that tests of several parts share."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from xprocess import ProcessStarter, XProcess

ROOT = Path(__file__).parent.parent
# nohup, and whatever else starts the tests without a terminal, ignores SIGHUP, and so would every
# program that a test starts: the tests decide themselves what is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # of a shell's command in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

READY = re.compile(r"serving .* on (http://\S+)")

_numbers = itertools.count()


# Where many small trees are made and taken away again, and what is asked of them does not depend on
# the file system.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory of the test's own as `tmp_path`, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        yield Path(place)


@dataclass(frozen=True)
class Simulator:
    """A running `agentsim serve`: its URL without a slash at the end, process id and log file."""

    url: str
    pid: int
    log: Path


@pytest.fixture
def simulator(xprocess: XProcess) -> Iterator[Callable[..., Simulator]]:
    """Start simulated agents: `simulator(table, …, *options)` returns once it answers.

    Each takes a free port; all end with the test. Commands are looked up in their own small PATH:
    one of this environment (`packager`) needs the option `--environment=PATH=…`.
    """
    started: list[str] = []

    def start(*arguments: str | Path) -> Simulator:
        # Runs and workers share xprocess's directory: the names must differ between them.
        name = f"simulator-{os.getpid()}-{next(_numbers)}"

        class Starter(ProcessStarter):  # type: ignore[misc]
            pattern = READY.pattern
            args = [sys.executable, "-m", "agentsim", "serve", "--port=0", *map(str, arguments)]  # noqa: RUF012
            timeout = 30
            terminate_on_interrupt = True

        started.append(name)
        pid, log = xprocess.ensure(name, Starter)
        ready = READY.search(Path(log).read_text())
        assert ready
        return Simulator(ready[1], pid, Path(log))

    yield start
    for name in started:
        running = xprocess.getinfo(name)
        running.terminate()
        shutil.rmtree(str(running.controldir), ignore_errors=True)
