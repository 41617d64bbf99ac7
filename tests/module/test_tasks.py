"""Tasks that a real agent launches beside thousands of requests: not one may fail of them.

An agent forks for each container that it launches; a module that took such a fork for a process
that has left its command would kill it (ABI-PROC-8, ABI-PROC-17). ABI_MESOS_MASTER and
ABI_MESOS_EXECUTE name the programs of the same Mesos as ABI_MESOS_AGENT (docs/module.md).
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from agentsim.suite.hosts.kinds import DidNotStart, Host, Launch, Unsupported, free_port
from agentsim.suite.hosts.probe_files import Probes, write
from agentsim.suite.hosts.processes import wait_until

from tests.support.member_agent import MemberAgent

MASTER, EXECUTE = os.environ.get("ABI_MESOS_MASTER"), os.environ.get("ABI_MESOS_EXECUTE")
LIMIT = 120.0
CLIENTS = 8
REQUESTS = 3000
TASKS = 40
AT_ONCE = 3

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (MASTER and EXECUTE), reason="ABI_MESOS_MASTER and ABI_MESOS_EXECUTE are not set"
    ),
]


@dataclass
class Clients:
    """Threads that ask for commands until they are told to stop.

    Attributes:
        seconds: when each answer came, by the monotonic clock.
        failures: answers other than 200.
    """

    host: Host
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Clients:
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with self.host.connect() as connection:
            while not self.enough.is_set():
                connection.request("GET", "/plain/true")
                answer = connection.response()
                self.seconds.append(time.monotonic())
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {answer.reason}")


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """A master on loopback; its address."""
    address = f"127.0.0.1:{free_port()}"
    ip, port = address.split(":")
    with (tmp_path / "master.log").open("wb") as log:
        program = subprocess.Popen(
            [str(MASTER), f"--ip={ip}", f"--port={port}", f"--work_dir={tmp_path}/master"],
            stdout=log,
            stderr=log,
        )
    yield address
    program.terminate()
    program.wait(LIMIT)


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Probes:
    """The probe commands and tables, where other users can read them."""
    directory = tmp_path_factory.mktemp("probes")
    directory.chmod(0o755)
    return write(directory / "probes")


def run_task(master: str, number: int) -> tuple[float, float, str]:
    """Launch `true`: when that began and ended, and its last state."""
    began = time.monotonic()
    done = subprocess.run(
        [
            str(EXECUTE),
            f"--master={master}",
            f"--name=task-{number}",
            "--command=true",
            "--resources=cpus:0.1;mem:32",
            "--containerizer=mesos",
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    states = re.findall(r"TASK_[A-Z]+", done.stdout + done.stderr)
    return began, time.monotonic(), states[-1] if states else done.stdout + done.stderr


@pytest.mark.parametrize(
    ("launcher", "isolation"),
    [("posix", "posix/cpu,posix/mem"), ("linux", "cgroups/cpu,cgroups/mem")],
)
def test_no_task_fails_of_the_requests_beside_it(
    master: str, probes: Probes, launcher: str, isolation: str
) -> None:
    kind = MemberAgent(LIMIT, master, launcher=launcher, isolation=isolation)
    try:
        kind.prepare()
        host = kind.start(Launch(probes))
    except Unsupported as reason:
        pytest.skip(str(reason))
    except DidNotStart as reason:
        if launcher == "posix":
            raise
        pytest.skip(f"no agent with {isolation} starts here: {str(reason).splitlines()[-1]}")
    try:
        wait_until(lambda: "Registered with master" in host.log(), LIMIT, "a registered agent")
        with Clients(host) as clients, ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = list(pool.map(lambda number: run_task(master, number), range(TASKS)))
            wait_until(lambda: len(clients.seconds) >= REQUESTS, LIMIT, f"{REQUESTS} requests")
    finally:
        host.stop()
    overlapping = count_overlapping(tasks, clients.seconds)
    print(
        f"{launcher}: {len(tasks)} tasks, {overlapping} of them beside requests,"
        f" {len(clients.seconds)} requests"
    )
    assert clients.failures == []
    assert [state for _, _, state in tasks if state != "TASK_FINISHED"] == []
    assert overlapping == len(tasks), "launches without requests beside them prove nothing"
    assert "is left alone" not in host.log()


def count_overlapping(tasks: Sequence[tuple[float, float, str]], answers: Sequence[float]) -> int:
    """How many tasks had a request answered between their beginning and their end."""
    return sum(any(began < second < ended for second in answers) for began, ended, _ in tasks)
