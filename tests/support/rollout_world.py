"""A simulated cluster with scripted hosts, and `rollout` as its operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from agentsim.suite.hosts.processes import wait_while_working
from rollout.core.host_states import UNAVAILABLE, HostState

from tests.support.cluster_process import AGENTSIM, ClusterProcess, cluster_process

TABLE = Path(__file__).resolve().parents[2] / "module" / "routes" / "provisioner.json"
PATIENCE = 20.0  # seconds
PAUSED, ABSENT, FAILED, ABORTED, TAKEN_OVER = 3, 4, 5, 6, 7  # exit statuses


@dataclass
class Operator:
    """Runs `rollout`: a directory with the files, and what profile and strategy say by default.
    access: options of the commands that ask agents. program: what Python runs."""

    directory: Path
    masters: Any
    words: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    patience: float = PATIENCE
    program: tuple[str, ...] = ("-m", "rollout")
    profile: str = "profile: 1\nname: web\npackages: [web]\nconfiguration: {values: {port: PORT}}\n"
    defaults: dict[str, Any] = field(
        default_factory=lambda: {
            "rollout": 1,
            "name": "web",
            "profile": "web.yaml",
            "select": {},
            "batches": [1, "100%"],
            "max_unavailable": 50,
            "max_failures": 0,
            "soak": "0s",
            "attempts": 1,
        }
    )

    @property
    def journal(self) -> Path:
        return self.directory / "journal.db"

    def strategy(self, port: int, **changed: Any) -> Path:
        """Write a strategy, and the profile whose bytes depend on `port`."""
        (self.directory / "web.yaml").write_text(self.profile.replace("PORT", str(port)))
        path = self.directory / "strategy.yaml"
        path.write_text(json.dumps({**self.defaults, "masters": self.masters, **changed}))
        return path

    @property
    def gate(self) -> dict[str, Any]:
        """A gate of a strategy at which every host waits, `verifying`, until `open_gate`."""
        waiting = 'until test -e "$0"; do sleep 0.05; done'
        return {"command": ["sh", "-c", waiting, str(self.directory / "open")]}

    def open_gate(self) -> None:
        (self.directory / "open").touch()

    def command(self, *words: str | Path) -> list[str]:
        """A command line of `rollout`."""
        access = self.access if words[0] in ("start", "resume", "retry", "undo") else ()
        return [sys.executable, *self.program, *map(str, words), *access]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ROLLOUT_JOURNAL": str(self.journal)}

    def run(self, *words: str | Path, status: int = 0) -> str:
        """Run a command to its end; it has to end with this exit status. Its output."""
        done = subprocess.run(
            [*self.command(*words), *self.words],
            capture_output=True,
            text=True,
            timeout=self.patience * 2,
            check=False,
            env=self.environment,
        )
        assert done.returncode == status, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    @contextmanager
    def running(self, *words: str | Path) -> Iterator[RunningCommand]:
        """A command that goes on beside the block; it is killed at its end, if it lives still."""
        log = self.directory / f"command-{len([*self.directory.glob('command-*')])}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.command(*words), *self.words],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.directory,
            )
        try:
            yield RunningCommand(process, log, self.patience)
        finally:
            process.kill()
            process.wait()

    def status(self, *words: str) -> dict[str, Any]:
        """The newest rollout, as `status` tells it."""
        found: dict[str, Any] = json.loads(self.run("status", "--format=json", *words))
        return found

    def report(self, *words: str) -> dict[str, dict[str, Any]]:
        """What `report` tells of each host, by hostname."""
        found = json.loads(self.run("report", "--format=json", *words))
        return {each["host"].split("@")[0]: each for each in found["report"]}

    def most_unavailable(self) -> int:
        """How many hosts were unavailable at once, by what was written down of each."""
        steps: list[tuple[float, str, str]] = []
        for host, each in self.report().items():
            steps += [(step["time"], host, step["state"]) for step in each["steps"]]
        most, taken = 0, set[str]()
        for _, host, state in sorted(steps):
            (taken.add if HostState(state) in UNAVAILABLE else taken.discard)(host)
            most = max(most, len(taken))
        return most


@dataclass(kw_only=True)
class RolloutWorld(Operator):
    """A simulated cluster, and its operator."""

    cluster: ClusterProcess

    def histories(self) -> dict[str, dict[str, Any]]:
        """What each host that can be asked says of its runs, by hostname."""
        found = {}
        for agent in self.cluster.agents():
            url = f"http://{agent['address']}/provisioner/history.json"
            found[agent["hostname"]] = requests.get(url, timeout=PATIENCE).json()
        return found

    def applied(self, rollout: str) -> dict[str, list[int]]:
        """The attempts of a rollout that each host has a run of."""
        return {
            host: [each["attempt"] for each in told["runs"] if each["rollout"] == rollout]
            for host, told in self.histories().items()
        }

    def fault(self, words: str) -> None:
        """Inject a fault."""
        answer = self.cluster.tell("inject", fault=words)
        assert answer.ok, answer.text

    def wait(self, condition: Any, what: str) -> Any:
        """Wait for something of the cluster."""
        return wait_while_working(self.cluster.pid, condition, self.patience, what)


@dataclass(frozen=True)
class RunningCommand:
    """A command that goes on."""

    process: subprocess.Popen[bytes]
    log: Path
    patience: float

    def has_said(self, words: str) -> bool:
        return words in self.log.read_text()

    def wait_for(self, words: str) -> None:
        """Wait until it has said something."""

        def said_or_ended() -> bool:
            return self.process.poll() is not None or self.has_said(words)

        wait_while_working(self.process.pid, said_or_ended, self.patience, words)
        assert self.has_said(words), f"it ended before {words!r}: {self.log.read_text()[-4000:]}"

    def end(self, status: int) -> str:
        """Wait for its end with this exit status. What it said."""
        found = self.process.wait(self.patience)
        said = self.log.read_text()
        assert found == status, said[-4000:]
        return said


@contextmanager
def rollout_world(
    directory: Path, *options: str, agents: int = 8, program: tuple[str, ...] = AGENTSIM
) -> Iterator[RolloutWorld]:
    """A cluster of scripted hosts, and an operator of it, until the end of the block."""
    domain = ("--domain=eu/z1|z2", f"--agents={agents}", "--time-scale=0.02", "--scripted")
    with cluster_process(directory, str(TABLE), *domain, *options, program=program) as cluster:
        cluster.wait(cluster.said(f"all {agents} agents are registered"), "the agents")
        patience = PATIENCE + agents / 10
        yield RolloutWorld(directory, cluster.masters, cluster=cluster, patience=patience)
