"""Masters that the clauses are held to: the simulated one, and a real one if there is one.

A real one is a program of this machine, or the one of the project's image for agents in a container
that has this machine's network: agents made by hand have addresses of its loopback.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import requests
from agentsim.suite.hosts.processes import wait_until

from tests.support.cluster_process import PATIENCE, ClusterProcess, cluster_process
from tests.support.image_of_tree import engine_and_image

if TYPE_CHECKING:
    from agentsim.containers.container import Running
    from agentsim.containers.containers import Containers

IMAGE = "mesos-packager:agent"
#: What `--abi-master` is given for a master in a container.
DOCKER = "docker"
CREDENTIALS = {"ops": "s3cret", "viewer": "look"}
ACLS = {
    f"{action}_agents": [
        {"principals": {"values": ["ops"]}, "agents": {"type": "ANY"}},
        {"principals": {"type": "ANY"}, "agents": {"type": "NONE"}},
    ]
    for action in ("drain", "deactivate", "reactivate")
}


class MasterUnderTest(Protocol):
    """A master under test."""

    @property
    def url(self) -> str: ...

    def restart(self) -> None:
        """Kill it and start it again over the same registry; returns when it has recovered."""


@dataclass(frozen=True)
class SimulatedMaster:
    """The one of `agentsim cluster`."""

    cluster: ClusterProcess

    @property
    def url(self) -> str:
        return self.cluster.masters[0]

    def restart(self) -> None:
        assert self.cluster.tell("masters", act="restart", number=1).ok
        _await_health(self.url)


@contextmanager
def simulated_master(directory: Path, *, guarded: bool = False) -> Iterator[MasterUnderTest]:
    """Run a simulated master, with credentials and ACLs if `guarded`."""
    options = ["--agents=0", "--time-scale=0.02"]
    if guarded:
        options += [f"--master-credentials={_credentials(directory)}", f"--acls={_acls(directory)}"]
    with cluster_process(directory, *options) as cluster:
        yield SimulatedMaster(cluster)


class Started(Protocol):
    """What runs a real master."""

    def start(self, options: Sequence[str]) -> None:
        """Start it, for the first time or again."""

    def stop(self, number: signal.Signals) -> None:
        """Send it a signal that ends it; returns when it has ended."""


class OfThisMachine:
    """A program of this machine."""

    def __init__(self, program: str, log: Path) -> None:
        self._program = program
        self._log = log

    def start(self, options: Sequence[str]) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, *options], stdout=log, stderr=log)

    def stop(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)
        self._process.wait(PATIENCE)


class InContainer:
    """The image's program; a directory of this machine is its own, too."""

    def __init__(self, containers: Containers, directory: Path) -> None:
        self._containers = containers
        self._directory = directory
        self._running: Running | None = None

    def start(self, options: Sequence[str]) -> None:
        if self._running is not None:
            self._running.container.start()
            return
        from agentsim.containers.containers import MIB, Limits

        self._running = self._containers.run(
            IMAGE,
            Limits(512 * MIB, mounts=[self._directory]),
            # A master would load the agents' module, too.
            entrypoint=["tini", "--", "env", "-u", "MESOS_MODULES", "mesos-master"],
            command=options,
            user=f"{os.getuid()}:{os.getgid()}",
            health_seconds=None,
            network_mode="host",
            ports={},
        )

    def stop(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.signal(number)
        self._running.wait(PATIENCE)

    def remove(self) -> None:
        """Leave nothing of it. (Closing `containers` would end those of other masters, too.)"""
        if self._running is not None:
            self._running.remove()


class RealMaster:
    """A mesos-master that runs."""

    def __init__(self, started: Started, directory: Path, guarded: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._started = started
        self._options = [
            *("--ip=127.0.0.1", f"--port={self._port}", f"--work_dir={directory}/m"),
            *("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=3"),
            *("--registry=replicated_log", "--hostname=127.0.0.1"),
            '--domain={"fault_domain":{"region":{"name":"eu"},"zone":{"name":"z0"}}}',
        ]
        if guarded:
            self._options += [
                *("--authenticate_http_readonly", "--authenticate_http_readwrite"),
                f"--credentials={_credentials(directory)}",
                f"--acls=file://{_acls(directory)}",
            ]
        self._guarded = guarded
        self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _start(self) -> None:
        self._started.start(self._options)
        _await_health(self.url, self._guarded)

    def restart(self) -> None:
        self.stop(signal.SIGKILL)
        self._start()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        self._started.stop(number)


@contextmanager
def real_master(named: str, directory: Path, *, guarded: bool = False) -> Iterator[RealMaster]:
    """Run a real master: what `--abi-master` names."""
    with ExitStack() as stack:
        started: Started = OfThisMachine(named, directory / "master.log")
        if named == DOCKER:
            contained = started = InContainer(containers_with_mesos(), directory)
            stack.callback(contained.remove)
        master = RealMaster(started, directory, guarded)
        stack.callback(master.stop)
        yield master


def containers_with_mesos() -> Containers:
    """Makes containers of an image that has a master, too; the test is skipped without."""
    client, _ = engine_and_image("agent")
    from agentsim.containers.containers import Containers

    containers = Containers(client)
    words = ["sh", "-c", "command -v mesos-master"]
    asked = containers.run(IMAGE, entrypoint=words, command=[], health_seconds=None)
    found = asked.wait() == 0
    asked.remove()
    if not found:
        pytest.skip("the image agent has no mesos-master")
    return containers


def _await_health(url: str, guarded: bool = False) -> None:
    login = ("ops", CREDENTIALS["ops"]) if guarded else None

    def recovered() -> bool:
        try:
            answer = requests.post(
                f"{url}/api/v1",
                '{"type": "GET_HEALTH"}',
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                auth=login,
                timeout=PATIENCE,
            )
        except requests.ConnectionError:
            return False
        return answer.status_code == 200

    wait_until(recovered, 60, "the master's recovery")


def _credentials(directory: Path) -> Path:
    path = directory / "credentials"
    entries = [{"principal": name, "secret": secret} for name, secret in CREDENTIALS.items()]
    return _written(path, {"credentials": entries})


def _acls(directory: Path) -> Path:
    return _written(directory / "acls", ACLS)


def _written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return path
