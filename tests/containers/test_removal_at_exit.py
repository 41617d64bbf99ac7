"""However a run ends, its containers go: with it, or with the next run."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agentsim.containers import owner
from agentsim.suite.hosts.processes import wait_until
from docker.errors import APIError

from tests.support.image_of_tree import engine_and_image

SECONDS = 120


@pytest.fixture
def client() -> Any:
    """An engine that has the image of this tree."""
    client, _ = engine_and_image("simulator")
    return client


@pytest.fixture
def run(client: Any, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start the suite with a test that takes its time, and wait until it runs."""
    runs = []

    def start() -> subprocess.Popen[bytes]:
        words = ["--abi-host=docker-simulator", "-k", "test_a_thousand_commands"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "agentsim", "suite", *words], stdout=log, stderr=log
            )
        runs.append(process)

        def commands() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            with contextlib.suppress(APIError):  # it is only about to run
                return any("sleep" in str(each.top()) for each in left_by(client, process.pid))
            return False

        wait_until(commands, SECONDS, "a container with commands")
        return process

    yield start
    for process in runs:
        process.kill()
        process.wait()


def left_by(client: Any, pid: int) -> list[Any]:
    """The containers of a process."""
    from agentsim.containers.cleanup import LABEL

    found = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    owners = [owner.parse(each.labels[LABEL]) for each in found]
    return [each for each, by in zip(found, owners, strict=True) if by and by.pid == pid]


def test_who_is_interrupted_takes_its_containers_along(
    client: Any, run: Callable[[], subprocess.Popen[bytes]]
) -> None:
    process = run()
    process.send_signal(signal.SIGINT)  # as Ctrl-C does
    assert process.wait(SECONDS) != 0
    assert left_by(client, process.pid) == []


def test_what_the_killed_left_goes_with_the_next_run(
    client: Any, run: Callable[[], subprocess.Popen[bytes]]
) -> None:
    from agentsim.containers.containers import Containers

    process = run()
    (container,) = left_by(client, process.pid)
    process.kill()
    process.wait()
    assert left_by(client, process.pid) == [container]
    with Containers(client) as made:
        assert container.name in made.swept
    assert left_by(client, process.pid) == []
