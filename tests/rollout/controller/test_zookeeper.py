"""Rollouts whose record is in a real ZooKeeper: any machine can look at one and take it over."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.rollout_world import RolloutWorld, rollout_world
from tests.support.zookeeper import need_zookeeper, zookeeper


@pytest.fixture(scope="module")
def elected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    """A cluster of two masters that elect their leader in a ZooKeeper."""
    need_zookeeper()
    directory = tmp_path_factory.mktemp("elected")
    with zookeeper(directory) as server:
        place = f"zk://{server.address}/mesos"
        with rollout_world(directory, "--masters=2", f"--election={place}") as world:
            yield replace(world, masters=place)


def machine(world: RolloutWorld, directory: Path) -> RolloutWorld:
    """Another machine: with a journal of its own."""
    directory.mkdir()
    return replace(world, directory=directory)


def test_another_machine_sees_it_pauses_it_and_takes_it_over(
    elected: RolloutWorld, tmp_path: Path
) -> None:
    here, there = machine(elected, tmp_path / "here"), machine(elected, tmp_path / "there")
    where = f"--masters={elected.masters}"
    with here.running("start", here.strategy(1, gate=here.gate)) as controller:
        controller.wait_for("verifying")
        rollout = here.status()["rollout"]
        told = there.status(where, rollout)
        assert told["state"] == "running" and told["holder"].startswith("process ")
        there.run("pause", where, rollout)
        controller.wait_for("rollout is paused (operator)")
        here.open_gate()
        controller.end(3)
    there.run("resume", where, rollout)
    assert here.status()["counts"] == {"done": 8}
    listed = there.run("history", where)
    assert rollout in listed


@pytest.mark.long  # it waits for the end of a session
def test_a_controller_whose_session_has_ended_is_obeyed_by_nobody(
    elected: RolloutWorld, tmp_path: Path
) -> None:
    here, there = machine(elected, tmp_path / "here"), machine(elected, tmp_path / "there")
    where = f"--masters={elected.masters}"
    with here.running("start", here.strategy(2, soak="3s")) as first:
        first.wait_for("soaking")
        rollout = here.status()["rollout"]
        first.process.send_signal(signal.SIGSTOP)
        here.wait(lambda: there.status(where, rollout)["holder"] is None, "its session's end")
        there.run("resume", where, rollout)
        first.process.send_signal(signal.SIGCONT)
        first.end(7)
    assert there.status(where, rollout)["counts"] == {"done": 8}
    assert here.applied(rollout) == {host: [1] for host in here.histories()}


@pytest.mark.long  # it waits for an election
def test_another_master_leads_in_the_middle(elected: RolloutWorld, tmp_path: Path) -> None:
    here = machine(elected, tmp_path / "here")
    strategy = here.strategy(3, batches=[1, 3, "100%"], soak="4s")
    with here.running("start", strategy) as controller:
        controller.wait_for("soaking")
        assert here.cluster.tell("masters", act="kill", number=1).ok
        assert here.cluster.tell("masters", act="start", number=1).ok
        controller.end(0)
    assert here.status()["counts"] == {"done": 8}
