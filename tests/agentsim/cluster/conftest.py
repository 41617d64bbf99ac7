"""The masters that the clauses of docs/master.md are held to, and agents by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.hand_agent import HandAgent, hand_agent
from tests.support.tested_masters import MasterUnderTest, real_master, simulated_master

NewAgent = Callable[..., HandAgent]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The simulated master always; a real one if there is one."""
    kinds = ["simulated"]
    if metafunc.config.getoption("--abi-master") is not None:
        kinds.append("real")
    for name in ("master", "guarded"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, kinds, indirect=True, scope="module")


def _masters(request: pytest.FixtureRequest, *, guarded: bool) -> Iterator[MasterUnderTest]:
    directory = request.getfixturevalue("tmp_path_factory").mktemp(request.param)
    if request.param == "simulated":
        with simulated_master(directory, guarded=guarded) as master:
            yield master
    else:
        program = request.config.getoption("--abi-master")
        with real_master(program, directory, guarded=guarded) as master:
            yield master


@pytest.fixture(scope="module")
def master(request: pytest.FixtureRequest) -> Iterator[MasterUnderTest]:
    """A master that everybody may call."""
    yield from _masters(request, guarded=False)


@pytest.fixture(scope="module")
def guarded(request: pytest.FixtureRequest) -> Iterator[MasterUnderTest]:
    """A master that asks for credentials, and has ACLs."""
    yield from _masters(request, guarded=True)


@pytest.fixture
def agents() -> Iterator[Callable[[MasterUnderTest], NewAgent]]:
    """Agents by hand, each with an address of its own; they leave at the end."""
    with ExitStack() as stack:
        made: list[HandAgent] = []

        def of(master: MasterUnderTest) -> NewAgent:
            def new(hostname: str = "hand", **more: Any) -> HandAgent:
                ip = f"127.9.{len(made)}.1"
                authority = master.url.removeprefix("http://")
                agent = stack.enter_context(hand_agent(authority, hostname, ip, **more))
                made.append(agent)
                return agent

            return new

        yield of
        for agent in made:
            if agent.id:
                agent.unregister()


@pytest.fixture
def new_agent(master: MasterUnderTest, agents: Callable[[MasterUnderTest], NewAgent]) -> NewAgent:
    """Makes agents by hand of the master under test."""
    return agents(master)
