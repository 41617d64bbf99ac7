"""Many simulated agents on one master: how soon all are active, and what they cost then.

Rows are one run each: seconds from the start of the cluster until the master lists all agents as
active; processor time and memory while they only answer pings (every 15 s, as in a real cluster),
and how long one `/slaves` takes. The master is a process of its own: a simulated one, and with
--mesos-master PROGRAM a real one too.
Usage: `python cluster.py [--agents N]... [--seconds N] [--mesos-master PROGRAM]`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentsim.suite.hosts import free_port

_COUNTS = (100, 1000, 3000)
_PATIENCE = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, action="append", help="how many; may be repeated")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the steady state is")
    parser.add_argument("--mesos-master", type=Path, help="a real master's program")
    arguments = parser.parse_args()
    print(
        f"{'agents':>7} {'master':<10} {'active s':>9} {'who':<8} {'% core':>7} {'MiB':>6} "
        f"{'/slaves s':>10}"
    )
    for count in arguments.agents or _COUNTS:
        measure(count, arguments.seconds, None)
        if arguments.mesos_master is not None:
            measure(count, arguments.seconds, arguments.mesos_master)


def measure(count: int, seconds: float, program: Path | None) -> None:
    """One run: its rows."""
    with running_master(program) as (master, port):
        start = time.perf_counter()
        command = [sys.executable, "-m", "agentsim", "cluster", f"--agents={count}", "--port=0"]
        agents = subprocess.Popen(
            [*command, f"--master=127.0.0.1:{port}"], stderr=subprocess.DEVNULL
        )
        try:
            wait_for(port, count, agents)
            active = time.perf_counter() - start
            processes = {"agents": agents.pid, "master": master.pid}
            before = {name: processor_seconds(pid) for name, pid in processes.items()}
            time.sleep(seconds)
            after = {name: processor_seconds(pid) for name, pid in processes.items()}
            begun = time.perf_counter()
            listed(port)
            listing = time.perf_counter() - begun
            for name, pid in processes.items():
                share = 100 * (after[name] - before[name]) / seconds
                kind = "real" if program else "simulated"
                print(
                    f"{count:>7} {kind:<10} {active:>9.1f} {name:<8} {share:>7.1f} "
                    f"{resident(pid):>6.0f} {listing:>10.3f}",
                    flush=True,
                )
        finally:
            agents.terminate()
            agents.wait()


@contextmanager
def running_master(program: Path | None = None) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A master that leads, and its port: a real one's program, or else a simulated one."""
    port = free_port()
    with tempfile.TemporaryDirectory() as top:
        if program is None:
            command = [sys.executable, "-m", "agentsim", "cluster", "--agents=0", "--port=0"]
            command += [f"--master-port={port}"]
        else:
            command = [str(program), "--ip=127.0.0.1", f"--port={port}", f"--work_dir={top}"]
            command += ["--registry=in_memory"]
        master = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(port, 0, master)
            yield master, port
        finally:
            master.terminate()
            master.wait()


def wait_for(port: int, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a master lists so many active agents, as long as a process runs."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            if active_agents(port) >= count:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(
        f"cluster: {count} agents were not active within {_PATIENCE:.0f} s; each needs a"
        " descriptor (ulimit -Hn)"
    )


def active_agents(port: int) -> int:
    """How many agents a master counts as active: cheap for it, unlike a listing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics/snapshot", timeout=60) as answer:
        return int(json.load(answer)["master/slaves_active"])


def listed(port: int) -> int:
    """How many active agents a master lists."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/slaves", timeout=60) as answer:
        return sum(each["active"] for each in json.load(answer)["slaves"])


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """Resident memory of a process in MiB."""
    return (
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    )


if __name__ == "__main__":
    main()
