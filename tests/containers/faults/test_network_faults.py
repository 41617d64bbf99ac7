"""A repository in another container, on a network of their own, that stalls, resets, goes away."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agentsim.suite.hosts.http_client import Connection

from .agents import Agent, Agents, archive

PORT = 8000
TESTS = Path(__file__).parents[2]
FILE = "web--1.tar"
SIZE = 3 << 20
URL = {"type": "string", "characters": "ascii", "max_length": 2048, "required": True}


class Network:
    """A network with an agent in it, and a repository that can be cut off from it.

    Args:
        agents: starts them.
        table: writes route tables.
    """

    def __init__(self, agents: Agents, table: Callable[..., Path]) -> None:
        self._agents = agents
        self._network = agents.made.network("repository")
        self.root = agents.volume / "root"
        self.name = f"repository-{os.getpid()}"
        routes = [
            self._route("/add", "stream", "--format=ndjson", "--retries=7"),
            self._route("/impatient", "whole", "--format=json", "--retries=0"),
            self._route("/short", "whole", "--format=json", "--retries=9", timeout=3),
        ]
        file = table("packages", ["packager", f"--root={self.root}"], *routes, timeout=100)
        self.agent = agents.start(str(file), network=self._network)

    def _route(self, path: str, delivery: str, *options: str, **policy: Any) -> dict[str, Any]:
        return {
            "path": path,
            "method": "POST",
            "argv": ["add", *options, "--connect-timeout=2", "--read-timeout=2", "--", "{url}"],
            "parameters": {"url": URL},
            "response": {"delivery": delivery},
            **policy,
        }

    def serve(self, *faults: str) -> Agent:
        """Start the repository."""
        served = self._agents.volume / "served"
        served.mkdir()
        (served / FILE).write_bytes(archive({"bin/web": os.urandom(SIZE)}))
        for program in ("containers/faults/repository.py", "support/web_server.py"):
            copied = self._agents.volume / "tests" / program
            copied.parent.mkdir(parents=True)
            shutil.copy(TESTS / program, copied)
        path = f"PYTHONPATH={self._agents.volume}"
        words = [
            "env",
            path,
            "python3",
            "-m",
            "tests.containers.faults.repository",
            str(PORT),
            str(served),
        ]
        self._repository = self._agents.start(
            program=[*words, *faults], network=self._network, name=self.name
        )
        self._repository.running.await_words(re.compile("serving"))
        return self._repository

    @property
    def asked(self) -> list[str]:
        """What the repository was asked for: ranges of the file, in order."""
        lines = self._repository.running.logs().splitlines()
        return [line.partition(" ")[2] for line in lines if line.startswith(f"/{FILE} ")]

    def part(self) -> None:
        """Cut the repository off."""
        self._network.disconnect(self._repository.running.container)

    def join(self) -> None:
        """Let it come back."""
        self._network.connect(self._repository.running.container)

    def target(self, path: str) -> str:
        """What is posted to, so that the package is fetched."""
        return f"/packages/{path}?url=http://{self.name}:{PORT}/{FILE}"

    def sound(self, *installed: str) -> None:
        """The store has these packages, undamaged, and nothing is left of what was given up."""
        where = f"--root={self.root}"
        told = json.loads(self.agent.packager("list", where, "--format=json")[1])
        assert [each["id"] for each in told["packages"]] == list(installed)
        assert self.agent.packager("verify", where)[0] == 0
        assert not any((self.root / "staging").iterdir())


@pytest.fixture
def network(agents: Agents, table: Callable[..., Path]) -> Network:
    return Network(agents, table)


def resumed(asked: list[str]) -> bool:
    """Whether the file was asked for as a whole first, and then for its rest only."""
    first, *others = asked
    return first == "whole" and bool(others) and all(each.startswith("bytes=") for each in others)


@pytest.mark.parametrize("fault", ["stall", "reset"])
def test_a_download_that_breaks_is_resumed(network: Network, fault: str) -> None:
    network.serve(f"/{FILE}={fault}")
    network.agent.done(network.target("add"))
    assert resumed(network.asked)
    network.sound("web--1")


def events(connection: Connection, until: str) -> list[dict[str, Any]]:
    """What a stream tells, up to an event or record of that kind."""
    found: list[dict[str, Any]] = []
    while not found or until not in (found[-1].get("event"), found[-1].get("record")):
        found += [json.loads(line) for line in connection.chunk().splitlines()]
    return found


def test_a_download_survives_a_partition(network: Network) -> None:
    network.serve(f"/{FILE}=slow")
    with network.agent.connect() as connection:
        connection.request("POST", network.target("add"))
        assert connection.head().status == 200
        while not events(connection, "fetching")[-1]["bytes"]:
            pass
        network.part()
        events(connection, "retrying")
        network.join()
        record = events(connection, "exit")[-1]
        assert record["exit_code"] == 0, record
    assert resumed(network.asked)
    network.sound("web--1")


def test_a_repository_that_is_cut_off(network: Network) -> None:
    network.serve()
    network.part()
    answer = network.agent.ask("POST", network.target("impatient"))
    assert (answer.status, answer.problem["exit_code"]) == (503, 69)
    assert network.name in answer.problem["stderr"]
    network.join()
    assert network.agent.ask("POST", network.target("impatient")).status == 200
    network.sound("web--1")


def test_a_repository_that_stalls_for_ever(network: Network) -> None:
    network.serve(f"/{FILE}=always-stall")
    answer = network.agent.ask("POST", network.target("impatient"))
    assert (answer.status, answer.problem["exit_code"]) == (503, 69)
    # The route's own time-out comes before the command has lost its patience.
    answer = network.agent.ask("POST", network.target("short"))
    assert (answer.status, answer.reason) == (504, "timeout")
    network.sound()
