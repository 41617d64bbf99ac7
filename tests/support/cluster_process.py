"""A running `agentsim cluster`, and what a test asks of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from agentsim.suite.hosts.processes import wait_while_working

_READY = re.compile(r"the cluster on (http://\S+)")
_MASTER = re.compile(r"a simulated master on (http://\S+)")
PATIENCE = 20.0
AGENTSIM = ("-m", "agentsim")


@dataclass(frozen=True)
class ClusterProcess:
    """A running cluster.

    Attributes:
        url: where it is controlled.
        masters: the URLs of its masters.
        log: what it said.
    """

    url: str
    masters: list[str]
    pid: int
    log: Path

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until something is so of the cluster."""
        return wait_while_working(self.pid, condition, PATIENCE, what)

    def said(self, words: str) -> Callable[[], bool]:
        """Whether the log has these words."""
        return lambda: words in self.log.read_text()

    def agents(self) -> list[dict[str, Any]]:
        """Its agents, as it knows them itself."""
        found: list[dict[str, Any]] = self.ask("GET", "/cluster/agents.json").json()
        return found

    def tell(self, path: str, **query: str | int) -> requests.Response:
        """Tell it something."""
        return self.ask("POST", f"/cluster/{path}", params=query)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request to it."""
        return requests.request(method, self.url + path, timeout=PATIENCE, **more)

    def slaves(self, master: int = 0, **query: str) -> dict[str, Any]:
        """`/slaves` of a master, agents by hostname."""
        answer = requests.get(f"{self.masters[master]}/slaves", params=query, timeout=PATIENCE)
        listed = answer.json()
        return {each["hostname"]: each for each in listed["slaves"]}

    def active(self) -> int:
        """How many agents the master lists as active."""
        return sum(agent["active"] for agent in self.slaves().values())


@contextmanager
def cluster_process(
    directory: Path, *options: str, program: tuple[str, ...] = AGENTSIM
) -> Iterator[ClusterProcess]:
    """Run `agentsim cluster` with free ports until the end of the block. program: what Python
    runs."""
    log = directory / "cluster.log"
    command = [sys.executable, *program, "cluster", "--port=0", "--master-port=0"]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output)
    try:
        ready = wait_while_working(
            process.pid,
            lambda: _READY.search(log.read_text()) or process.poll() is not None,
            PATIENCE,
            "the cluster",
        )
        assert isinstance(ready, re.Match), log.read_text()
        masters = _MASTER.findall(log.read_text())
        yield ClusterProcess(ready[1], masters, process.pid, log)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM), log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def call(url: str, kind: str, **member: Any) -> requests.Response:
    """Make an operator's call of `/api/v1`."""
    body = json.dumps({"type": kind, **({kind.lower(): member} if member else {})})
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return requests.post(f"{url}/api/v1", body, headers=headers, timeout=PATIENCE)
