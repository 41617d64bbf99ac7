"""What a request waits for when the host has other work: forks of its own, looks through /proc.

Each row compares two hosts of one kind that are asked in turns in the same run: one that does
nothing else, and one that forks all the time without executing a program (as an agent that launches
containers does), or that looks for who holds a command's output on a machine with thousands of
processes.  Usage: `python latency_under_load.py [--requests N] [--processes N]`; the module is
measured where ABI_MODULE_BUILD names a build of it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import agentsim.suite.hosts.mesos_module  # noqa: F401 - makes its kinds of hosts known
from agentsim.suite.hosts import KINDS, Host, Kind, Launch, Unsupported, probe_files
from agentsim.suite.hosts.http_client import Connection

_DEADLINE = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="of each host in each row")
    parser.add_argument(
        "--processes", type=int, default=5000, help="on the machine, in the last rows"
    )
    arguments = parser.parse_args()
    print(f"{'host':10} {'beside':28} {'median ms':>16} {'99th percentile ms':>20} {'ratio':>6}")
    for name in ("simulator", "module"):
        kind = KINDS[name](_DEADLINE)
        try:
            kind.prepare()
        except Unsupported as reason:
            print(f"{name:10} is left out: {reason}")
            continue
        with tempfile.TemporaryDirectory() as directory:
            Path(directory).chmod(0o755)
            written = probe_files.write(Path(directory, "probes"), kind.python)
            _forks(kind, Launch(written), arguments.requests)
            with _idle_processes(arguments.processes):
                launch = Launch(written)
                _looks(kind, launch, arguments.requests, arguments.processes)


def _forks(kind: Kind, launch: Launch, requests: int) -> None:
    with _started(kind, launch) as alone:
        forking = Launch(launch.probes, forks=True)
        with _started(kind, forking) as beside:
            _report(kind.name, "forks that execute nothing", *_in_turns(alone, beside, requests))


def _looks(kind: Kind, launch: Launch, requests: int, processes: int) -> None:
    with _started(kind, launch) as alone, _started(kind, launch) as beside:
        with _again_and_again(beside, "/tree/session"):
            rows = _in_turns(alone, beside, requests)
        _report(kind.name, f"looks at {processes} processes", *rows)


def _report(name: str, what: str, alone: list[float], beside: list[float]) -> None:
    halves = [statistics.median(row) * 1000 for row in (alone, beside)]
    tails = [statistics.quantiles(row, n=100)[98] * 1000 for row in (alone, beside)]
    print(
        f"{name:10} {what:28} {halves[0]:7.2f} {halves[1]:8.2f} {tails[0]:10.2f} {tails[1]:9.2f}"
        f" {tails[1] / tails[0]:6.2f}",
        flush=True,
    )


def _in_turns(alone: Host, beside: Host, requests: int) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    with alone.connect() as first, beside.connect() as second:
        for _ in range(requests):
            for row, connection in zip(times, (first, second), strict=True):
                row.append(_seconds(connection))
    return times


def _seconds(connection: Connection) -> float:
    asked = time.perf_counter()
    connection.request("GET", "/plain/true")
    if connection.response().status != 200:
        raise SystemExit("unexpected answer")
    return time.perf_counter() - asked


@contextlib.contextmanager
def _started(kind: Kind, launch: Launch) -> Iterator[Host]:
    host = kind.start(launch)
    try:
        yield host
    finally:
        host.stop()


@contextlib.contextmanager
def _again_and_again(host: Host, path: str) -> Iterator[None]:
    """One client more, whose requests leave somebody behind who has to be looked for."""
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            host.get(path)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def _idle_processes(count: int) -> Iterator[None]:
    """That many processes, which end with their standard input."""
    script = 'while [ "$1" -gt 0 ]; do cat & set -- $(($1 - 1)); done; echo all; wait'
    # A shell gives its background processes /dev/null unless it is told otherwise.
    words = ["sh", "-c", f"exec 3<&0; {script.replace('cat &', 'cat <&3 &')}", "sh", str(count)]
    shell = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert shell.stdout
    shell.stdout.readline()
    try:
        yield
    finally:
        shell.communicate()


if __name__ == "__main__":
    main()
