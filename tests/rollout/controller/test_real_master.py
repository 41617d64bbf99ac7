"""A rollout over simulated agents of a real Mesos master (`--abi-master`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.cluster_process import cluster_process
from tests.support.rollout_world import PAUSED, TABLE, RolloutWorld
from tests.support.tested_masters import RealMaster, real_master

AGENTS = 8


@pytest.fixture(scope="module")
def real(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[RolloutWorld, RealMaster]]:
    program = request.config.getoption("--abi-master")
    if not program:
        pytest.skip("no --abi-master: a built or installed mesos-master, or `docker`")
    directory = tmp_path_factory.mktemp("real")
    with real_master(program, directory) as master:
        address = master.url.removeprefix("http://")
        options = (f"--agents={AGENTS}", "--domain=eu/z1|z2", "--scripted", f"--master={address}")
        with cluster_process(directory, str(TABLE), *options) as cluster:
            cluster.wait(cluster.said(f"all {AGENTS} agents are registered"), "the agents")
            yield RolloutWorld(directory, [master.url], cluster=cluster), master


def test_a_canary_that_fails_a_pause_a_retry_and_the_way_back(
    real: tuple[RolloutWorld, RealMaster],
) -> None:
    world, _ = real
    world.run("start", world.strategy(1))
    before = world.status()["revision"]
    path = world.strategy(2)
    world.fault("unhealthy:*")
    world.run("start", path, status=PAUSED)
    world.fault("return:*")
    world.run("retry", "--failed")
    rollout = world.status()["rollout"]
    world.run("undo", rollout)
    for history in world.histories().values():
        run = next(each for each in history["runs"] if each["applied"])
        assert run["revision"] == before


def test_drained_agents_and_a_master_that_is_killed_in_the_middle(
    real: tuple[RolloutWorld, RealMaster],
) -> None:
    world, master = real
    drain = {"mode": "drain", "grace": "1s"}
    path = world.strategy(3, drain=drain, max_unavailable=2, soak="2s", batches=[1, 3, "100%"])
    with world.running("start", path) as controller:
        controller.wait_for("batch 2 of 3")
        master.restart()
        controller.end(0)
    assert world.status()["counts"] == {"done": AGENTS}
    slaves = world.wait(lambda: _all_listed(master), "all agents")
    assert not any(each["deactivated"] for each in slaves)


def _all_listed(master: RealMaster) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = requests.get(f"{master.url}/slaves", timeout=20).json()["slaves"]
    return listed if len(listed) == AGENTS else []
