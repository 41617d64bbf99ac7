"""How fast a host runs `/bin/true` for a request, against a bare spawn-and-wait loop of it.

Both are measured in turns in the same run, since machines are noisy; each cell is the median of the
rounds' ratios.  CPU is what the host and its children used, over what the loop and its children
used.  Usage: `python host.py [--rounds N] [--requests N] [--url URL --pid PID]`; without a URL the
simulator is started.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TABLE = """{"abi": 1, "process": "bench", "command": ["/bin/true"],
 "defaults": {"concurrency": 1000},
 "routes": [{"path": "/true", "method": "GET", "argv": []}]}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="in each round of each cell")
    parser.add_argument("--url", help="host:port of a running host that serves /bench/true")
    parser.add_argument("--pid", type=int, help="its process id")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        loop = _build_loop(Path(directory))
        if arguments.url:
            _report(loop, arguments.url, arguments.pid, arguments)
        else:
            with simulator(Path(directory), TABLE) as (address, pid):
                _report(loop, address, pid, arguments)


def _report(loop: list[str], address: str, pid: int, arguments: argparse.Namespace) -> None:
    host, port = address.rsplit(":", 1)
    count = arguments.requests
    print(f"{'at a time':>9} {'req/s':>8} {'loop/s':>8} {'req/s ÷ loop':>13} {'CPU ÷ loop':>11}")
    for width in (1, 8, 64):
        rows = []
        for _ in range(arguments.rounds):
            before = _loop(loop, count // 2)
            used = _cpu(pid)
            start = time.monotonic()
            asyncio.run(_load(host, int(port), width, count))
            rate = count / (time.monotonic() - start)
            cpu = (_cpu(pid) - used) / count
            after = _loop(loop, count // 2)
            loop_rate = (before[0] + after[0]) / 2
            loop_cpu = (before[1] + after[1]) / 2
            rows.append((rate, loop_rate, rate / loop_rate, cpu / loop_cpu))
        cells = [statistics.median(column) for column in zip(*rows, strict=True)]
        print("{:9} {:8.0f} {:8.0f} {:13.2f} {:11.2f}".format(width, *cells), flush=True)


def _build_loop(directory: Path) -> list[str]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("no C compiler: the loop is Python's os.posix_spawn, and slower than the real one")
        code = (
            "import os,sys\nfor _ in range(int(sys.argv[1])):\n"
            " os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)"
        )
        return [sys.executable, "-I", "-c", code]
    program = directory / "spawn_loop"
    source = Path(__file__).with_name("spawn_loop.c")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return [str(program)]


def _loop(loop: list[str], count: int) -> tuple[float, float]:
    """Starts a second, and CPU seconds a start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run([*loop, str(count), "/bin/true"], check=True)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return count / seconds, cpu / count


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def simulator(directory: Path, text: str) -> Iterator[tuple[str, int]]:
    """Run the simulator with a route table; gives its host:port and its process id."""
    table = directory / "bench.json"
    table.write_text(text)
    with (directory / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agentsim", "serve", str(table), "--port", "0"], stderr=log
        )
        try:
            while "http://" not in (line := (directory / "log").read_text()):
                if process.poll() is not None:
                    sys.exit(f"the simulator did not start: {line}")
                time.sleep(0.02)
            yield line.split("http://")[1].split()[0], process.pid
        finally:
            process.terminate()
            process.wait()


class _Client(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next, until none is left."""

    REQUEST = b"GET /bench/true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def __init__(self, left: list[int], done: asyncio.Future[None]) -> None:
        self._left = left
        self._done = done
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._left[0] <= 0:
            self._transport.close()
            return
        self._left[0] -= 1
        self._transport.write(self.REQUEST)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            if not self._received.startswith(b"HTTP/1.1 200"):
                sys.exit(f"unexpected answer: {self._received!r}")
            self._received = b""
            self._next()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def _load(host: str, port: int, width: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    left = [count]
    waiting = [loop.create_future() for _ in range(width)]
    for done in waiting:
        await loop.create_connection(lambda done=done: _Client(left, done), host, port)
    await asyncio.gather(*waiting)


if __name__ == "__main__":
    main()
