"""Masters that the clauses are held to: the simulated one, and a real one if there is one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
from agentsim.suite.hosts.processes import wait_until

from tests.support.cluster_process import PATIENCE, ClusterProcess, cluster_process

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


class RealMaster:
    """A mesos-master of this machine."""

    def __init__(self, program: Path, directory: Path, guarded: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._log = directory / "master.log"
        self._command = [
            *(str(program), "--ip=127.0.0.1", f"--port={self._port}", f"--work_dir={directory}/m"),
            *("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=3"),
            *("--registry=replicated_log", "--hostname=127.0.0.1"),
            '--domain={"fault_domain":{"region":{"name":"eu"},"zone":{"name":"z0"}}}',
        ]
        if guarded:
            self._command += [
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
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        _await_health(self.url, self._guarded)

    def restart(self) -> None:
        self.stop(signal.SIGKILL)
        self._start()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        os.kill(self._process.pid, number)
        self._process.wait(PATIENCE)


@contextmanager
def real_master(
    program: Path, directory: Path, *, guarded: bool = False
) -> Iterator[MasterUnderTest]:
    """Run a real master."""
    master = RealMaster(program, directory, guarded)
    try:
        yield master
    finally:
        master.stop()


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
