"""A rollout over real agents of a real master, with the real provisioner, and a task that runs.

`--abi-master` names the master; ABI_MESOS_AGENT, ABI_MESOS_EXECUTE and ABI_MODULE_BUILD the
rest of that Mesos (docs/module.md).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from agentsim.suite.hosts.kinds import Host, Launch, Unsupported
from agentsim.suite.hosts.probe_files import PRINCIPAL, SECRET, write
from agentsim.suite.hosts.processes import wait_until

from tests.support.member_agent import MemberAgent
from tests.support.rollout_world import ABORTED, PAUSED, TABLE, Operator
from tests.support.tested_masters import RealMaster, real_master

AGENTS = 3
LIMIT = 120.0
PROFILE = """profile: 1
name: web
packages: []
roles: []
repositories: []
configuration:
  files:
    - path: etc/web.conf
      content: "PORT"
"""
FAILING = "health: {retries: 0, http: [{url: 'http://127.0.0.1:9/'}]}\n"


@dataclass(frozen=True)
class Cluster:
    """The cluster, its operator, and the directory of each agent's store."""

    master: RealMaster
    operator: Operator
    stores: list[Path]

    def configurations(self) -> list[str]:
        """What each host has active."""
        return [(each / "active/etc/web.conf").read_text() for each in self.stores]

    def slaves(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.master.url}/slaves", timeout=20).json()[
            "slaves"
        ]
        return found

    def all_active(self) -> bool:
        slaves = self.slaves()
        return len(slaves) == AGENTS and all(each["active"] for each in slaves)

    @contextmanager
    def task(self) -> Iterator[subprocess.Popen[str]]:
        """A task that would run for long, on one of them."""
        words = [
            f"--master={self.master.url.removeprefix('http://')}",
            *("--name=long", "--command=sleep 1000", "--resources=cpus:0.1;mem:32"),
            "--containerizer=mesos",
        ]
        process = subprocess.Popen(
            [os.environ["ABI_MESOS_EXECUTE"], *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_until(lambda: "TASK_RUNNING" in self._tasks(), LIMIT, "a running task")
            yield process
        finally:
            process.kill()
            process.wait()

    def _tasks(self) -> str:
        return requests.get(f"{self.master.url}/tasks", timeout=20).text


def table(directory: Path, number: int) -> Path:
    """The routes of provisioner, of a store of its own."""
    document = json.loads(TABLE.read_text())
    document["command"] = [sys.executable, "-m", "provisioner"]
    document["environment"] = {"PACKAGER_ROOT": str(directory / f"store-{number}")}
    path = directory / f"provisioner-{number}.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    program = request.config.getoption("--abi-master")
    if not program or "ABI_MESOS_EXECUTE" not in os.environ:
        pytest.skip("no --abi-master and ABI_MESOS_EXECUTE: a real Mesos")
    directory = tmp_path_factory.mktemp("agents")
    directory.chmod(0o755)
    probes = write(directory / "probes")
    with ExitStack() as stack:
        master = stack.enter_context(real_master(program, directory))
        for number in range(AGENTS):
            address = master.url.removeprefix("http://")
            kind = MemberAgent(LIMIT, address, hostname=f"real-{number}")
            try:
                kind.prepare()
            except Unsupported as reason:
                pytest.skip(str(reason))
            launch = Launch(probes, tables=[table(directory, number)], guarded=True)
            host: Host = kind.start(launch)
            stack.callback(host.stop)
        credentials = directory / "agent-credentials"
        credentials.write_text(f"{PRINCIPAL} {SECRET}\n")
        credentials.chmod(0o600)
        access = (f"--agent-credentials={credentials}", "--trust-network")
        operator = Operator(directory, [master.url], access=access, patience=LIMIT, profile=PROFILE)
        stores = [directory / f"store-{number}" for number in range(AGENTS)]
        found = Cluster(master, operator, stores)
        wait_until(found.all_active, LIMIT, "all agents")
        yield found


def test_a_drain_of_a_task_and_a_master_that_is_killed_in_the_middle(cluster: Cluster) -> None:
    drain = {"mode": "drain", "grace": "2s"}
    path = cluster.operator.strategy(
        1, drain=drain, max_unavailable=1, soak="2s", batches=[1, "100%"]
    )
    with cluster.task() as task, cluster.operator.running("start", path) as controller:
        controller.wait_for("batch 2 of 2")
        cluster.master.restart()
        controller.end(0)
        said, _ = task.communicate(timeout=LIMIT)
    assert re.findall(r"TASK_[A-Z_]+", said)[-1] in ("TASK_KILLED", "TASK_GONE_BY_OPERATOR"), said
    assert cluster.operator.status()["counts"] == {"done": AGENTS}
    assert cluster.configurations() == ["1"] * AGENTS
    assert cluster.operator.most_unavailable() == 1
    wait_until(cluster.all_active, LIMIT, "all agents again")


def test_a_canary_that_fails_pauses_and_what_was_brought_is_undone(cluster: Cluster) -> None:
    operator = cluster.operator
    operator.run("start", operator.strategy(2))
    failing = replace(operator, profile=PROFILE + FAILING)
    failing.run("start", failing.strategy(3), status=PAUSED)
    assert cluster.configurations() == ["2"] * AGENTS  # the canary went back by itself
    assert operator.status()["counts"] == {"rolled-back": 1, "waiting": AGENTS - 1}
    operator.run("abort")
    operator.run("resume", status=ABORTED)  # nobody was at it to obey
    operator.run("start", operator.strategy(4))
    assert cluster.configurations() == ["4"] * AGENTS
    operator.run("undo")
    assert cluster.configurations() == ["2"] * AGENTS


def test_a_controller_that_is_killed_leaves_no_agent_drained(cluster: Cluster) -> None:
    drain = {"mode": "drain", "grace": "1s"}
    path = cluster.operator.strategy(
        5, drain=drain, max_unavailable=1, soak="1s", promote={"after": 1, "manual": True}
    )
    with cluster.operator.running("start", path) as first:
        first.wait_for("soaking")
        first.process.kill()
    with cluster.operator.running("resume") as second:
        second.end(PAUSED)  # a person is waited for
    cluster.operator.run("resume", "--promote")
    assert cluster.operator.status()["counts"] == {"done": AGENTS}
    assert cluster.configurations() == ["5"] * AGENTS
    wait_until(cluster.all_active, LIMIT, "all agents again")
