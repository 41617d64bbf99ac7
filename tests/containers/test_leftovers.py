"""What a dead owner has left is removed; what belongs to the living, or to nobody known, stays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from agentsim.containers import engine, owner
from agentsim.containers.cleanup import LABEL, sweep
from agentsim.containers.containers import Containers

from tests.support.docker_engine import Engine, listening

VERSION = {"ApiVersion": "1.41", "Version": "20.10.24", "Os": "linux"}
TELL = "from agentsim.containers import owner; print(owner.this(), flush=True); input()"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process, which has told who it is and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def told(process: subprocess.Popen[str]) -> owner.Owner:
    """Who it is."""
    assert process.stdout
    found = owner.parse(process.stdout.readline())
    assert found
    return found


def test_an_owner_lives_until_it_ends(other: subprocess.Popen[str]) -> None:
    someone = told(other)
    assert someone.alive
    assert owner.parse(str(someone)) == someone
    other.kill()
    other.wait()
    assert someone.alive is False


def test_who_has_the_number_of_a_dead_owner_is_another() -> None:
    this = owner.this()
    assert this.alive
    assert owner.Owner(this.machine, this.pid, "1").alive is False


def test_of_another_machine_nothing_is_known() -> None:
    this = owner.this()
    assert owner.Owner("elsewhere", this.pid, this.began).alive is None


@pytest.mark.parametrize("label", ["", "x", "a b c", "a 1 2 3"])
def test_a_label_may_name_nobody(label: str) -> None:
    assert owner.parse(label) is None


def test_only_what_the_dead_left_is_removed(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    other: subprocess.Popen[str],
) -> None:
    dead = told(other)
    other.kill()
    other.wait()
    living = owner.this()
    owners = {"left": str(dead), "beside": str(living), "far": "elsewhere 1 1", "odd": "nobody"}
    fake = Engine(VERSION)
    kinds = (fake.containers, fake.networks, fake.volumes)
    for kind in kinds:
        kind |= {name: {LABEL: label} for name, label in owners.items()}
        kind["users"] = {"other": "label"}
    socket = tmp_path_factory.mktemp("e") / "s"
    with listening(fake, socket) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        client = engine.connect()
        assert sweep(client) == ["left", "left", "left"]
        assert all(set(kind) == {"beside", "far", "odd", "users"} for kind in kinds)
        # Who ends takes its own along.
        Containers(client).close()
        assert all(set(kind) == {"far", "odd", "users"} for kind in kinds)
