"""How fast a host passes a large output on, and what it costs in memory when nobody reads it.

The yardstick is the same command's output read straight from a pipe, in turns in the same run.
Usage: `python output.py [--rounds N] [--mib N]`; starts the simulator.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import host

UNREAD = 1 << 30
SLEEPERS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=256, help="size of the output that is read")
    arguments = parser.parse_args()
    table = json.dumps(_table(arguments.mib << 20))
    with (
        tempfile.TemporaryDirectory() as directory,
        host.simulator(Path(directory), table) as (address, pid),
    ):
        _throughput(address, arguments)
        _unread(address, pid)
        _sleepers(address)


def _table(size: int) -> dict[str, object]:
    stream = {"delivery": "stream", "max_bytes": 1 << 30}
    unread = ["-c", str(UNREAD), "/dev/zero"]
    return {
        "abi": 1,
        "process": "bench",
        "command": ["/usr/bin/env"],
        "defaults": {"concurrency": 2 * SLEEPERS, "timeout": 300},
        "routes": [
            {"path": "/whole", "method": "GET", "argv": ["head", "-c", str(size), "/dev/zero"]},
            {
                "path": "/stream",
                "method": "GET",
                "argv": ["head", "-c", str(size), "/dev/zero"],
                "response": stream,
            },
            {"path": "/unread-whole", "method": "GET", "argv": ["head", *unread]},
            {
                "path": "/unread-stream",
                "method": "GET",
                "argv": ["head", *unread],
                "response": {"delivery": "stream"},
            },
            {"path": "/sleep", "method": "GET", "argv": ["sleep", "5"]},
            {"path": "/true", "method": "GET", "argv": ["true"]},
        ],
    }


def _throughput(address: str, arguments: argparse.Namespace) -> None:
    size = arguments.mib << 20
    print(f"{'delivery':>9} {'MB/s':>8} {'pipe MB/s':>10} {'÷ pipe':>7}")
    for delivery in ("whole", "stream"):
        rows = []
        for _ in range(arguments.rounds):
            pipe = _pipe(size)
            rate = _get(address, f"/bench/{delivery}", size)
            rows.append((rate, pipe, rate / pipe))
        cells = [statistics.median(column) for column in zip(*rows, strict=True)]
        print("{:>9} {:8.0f} {:10.0f} {:7.2f}".format(delivery, *cells), flush=True)


def _pipe(size: int) -> float:
    start = time.monotonic()
    command = ["head", "-c", str(size), "/dev/zero"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.read(1 << 16):
            pass
    return size / (time.monotonic() - start) / 1e6


def _get(address: str, path: str, size: int) -> float:
    start = time.monotonic()
    connection = http.client.HTTPConnection(address)
    connection.request("GET", path)
    response = connection.getresponse()
    received = 0
    while data := response.read(1 << 16):
        received += len(data)
    assert received >= size, received
    connection.close()
    return size / (time.monotonic() - start) / 1e6


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    raise LookupError(pid)


def _unread(address: str, pid: int) -> None:
    name, port = address.rsplit(":", 1)
    for delivery in ("whole", "stream"):
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak starts from here
        before = _resident(pid)
        with socket.create_connection((name, int(port))) as client:
            client.sendall(b"GET /bench/unread-%s HTTP/1.1\r\n\r\n" % delivery.encode())
            client.recv(1)  # whole: the command has ended
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                time.sleep(0.1)
        grown = (_resident(pid) - before) / (1 << 20)
        print(f"1 GiB to a client that does not read, {delivery}: + {grown:.1f} MiB", flush=True)


def _sleepers(address: str) -> None:
    seconds, slowest = asyncio.run(_run_sleepers(*address.rsplit(":", 1)))
    print(f"{SLEEPERS} commands of 5 s at once: all answered in {seconds:.1f} s")
    print(f"another route meanwhile: slowest of 20 answers {slowest:.2f} s")


async def _run_sleepers(name: str, port: str) -> tuple[float, float]:
    async def ask(path: str) -> float:
        start = time.monotonic()
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(f"GET /bench/{path} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        return time.monotonic() - start

    async def probe() -> float:
        times = []
        for _ in range(20):
            times.append(await ask("true"))
            await asyncio.sleep(0.2)
        return max(times)

    start = time.monotonic()
    probing = asyncio.create_task(probe())
    await asyncio.gather(*(ask("sleep") for _ in range(SLEEPERS)))
    return time.monotonic() - start, await probing


if __name__ == "__main__":
    main()
