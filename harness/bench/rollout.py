"""A rollout over many simulated agents: how long it takes, and what its controller costs.

Each row is one whole `rollout start`: seconds until it has ended, of which the take-over (one
request to every host, at most a hundred at once) is a column; requests to a host; processor seconds
and peak memory of the controller. `first` brings the profile, `again` changes nothing. Agents,
master and controller share the machine. The peer is ansible-core, one trivial task on as many local
hosts, where it is installed (`pip install ansible-core`).
Usage: `python rollout.py [--agents N]...`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import running_master

_COUNTS = (100, 1000)
_PATIENCE = 120.0
_TABLE = Path(__file__).resolve().parents[2] / "module" / "routes" / "provisioner.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, action="append", help="how many; may be repeated")
    arguments = parser.parse_args()
    print(
        f"{'agents':>7} {'what':<10} {'s':>7} {'sweep s':>8} {'req/host':>8} {'CPU s':>6} "
        f"{'MiB':>5}"
    )
    for count in arguments.agents or _COUNTS:
        with tempfile.TemporaryDirectory() as top:
            measure(count, Path(top))
            ansible(count, Path(top))


def measure(count: int, top: Path) -> None:
    """The rows of a cluster of so many agents."""
    log = top / "cluster.log"
    command = [sys.executable, "-m", "agentsim", "cluster", str(_TABLE), f"--agents={count}"]
    with running_master() as (_, port), log.open("wb") as output:
        master = f"127.0.0.1:{port}"
        options = [f"--master={master}", "--port=0", "--scripted", "--step-seconds=0"]
        agents = subprocess.Popen([*command, *options], stderr=output)
        try:
            _wait_for(log, rf"all {count} agents are registered", agents)
            strategy = _strategy(top, f"http://{master}", count)
            for what in ("first", "again"):
                before = len(re.findall(r"(GET|POST) /provisioner", log.read_text()))
                row = _timed(strategy, top / f"{what}.db")
                time.sleep(0.2)
                asked = len(re.findall(r"(GET|POST) /provisioner", log.read_text())) - before
                seconds, sweep, used, peak = row
                print(
                    f"{count:>7} {what:<10} {seconds:>7.1f} {sweep:>8.2f} {asked / count:>8.1f} "
                    f"{used:>6.1f} {peak:>5.0f}",
                    flush=True,
                )
        finally:
            agents.terminate()
            agents.wait()


def ansible(count: int, top: Path) -> None:
    """The peer's row."""
    program = shutil.which("ansible")
    if program is None:
        return
    inventory = top / "hosts"
    names = "\n".join(f"host-{number} ansible_connection=local" for number in range(count))
    inventory.write_text(names + "\n")
    start = time.perf_counter()
    words = ["all", "-i", inventory, "-m", "raw", "-a", "true", "-f", "50"]
    subprocess.run([program, *words], stdout=subprocess.DEVNULL, check=True)
    print(f"{count:>7} {'ansible':<10} {time.perf_counter() - start:>7.1f}")


def _strategy(top: Path, master: str, count: int) -> Path:
    (top / "web.yaml").write_text("profile: 1\nname: web\npackages: [web]\n")
    path = top / "strategy.json"
    document = {
        "rollout": 1,
        "name": "bench",
        "profile": "web.yaml",
        "masters": [master],
        "select": {"at_least": count},
        "batches": [1, "10%", "100%"],
        "concurrency": 100,
        "stage": {"concurrency": 100},
        "max_unavailable": 100,
        "max_failures": 0,
        "soak": "0s",
    }
    path.write_text(json.dumps(document))
    return path


def _timed(strategy: Path, journal: Path) -> tuple[float, float, float, float]:
    """Seconds in all and of the take-over, processor seconds, MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rollout", "start", "--format=ndjson", strategy],
        env={**os.environ, "ROLLOUT_JOURNAL": str(journal)},
        capture_output=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        times.setdefault(event["event"], event["time"])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, times["fenced"] - times["holder"], used, after.ru_maxrss / 1024


def _wait_for(log: Path, pattern: str, cluster: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and cluster.poll() is None:
        if re.search(pattern, log.read_text()):
            return
        time.sleep(0.1)
    sys.exit(f"the cluster did not say {pattern!r}: {log.read_text()[-500:]}")


if __name__ == "__main__":
    main()
