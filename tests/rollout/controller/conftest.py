"""One cluster for the tests of a file: starting one takes longer than a rollout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tests.support.cluster_process import call
from tests.support.rollout_world import RolloutWorld, rollout_world


@pytest.fixture(scope="module")
def cluster_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    with rollout_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(cluster_world: RolloutWorld, tmp_path: Path) -> Iterator[RolloutWorld]:
    """The cluster with all its agents well, before and after, and an operator who knows of no
    rollout yet."""
    yield replace(cluster_world, directory=tmp_path)
    cluster_world.cluster.tell("masters", act="start")
    cluster_world.cluster.tell("tasks", act="remove-framework")
    cluster_world.fault("return:*")
    cluster_world.wait(lambda: _all_well(cluster_world), "all agents again")


def _all_well(world: RolloutWorld) -> bool:
    """Whether all agents are active; what a test has left deactivated is given back."""
    try:
        slaves = world.cluster.slaves()
    except requests.RequestException:
        return False  # the master is about to start
    for each in slaves.values():
        if each["deactivated"]:
            agent = {"agent_id": {"value": each["id"]}}
            # One whose framework went first stays DRAINING until it is drained again.
            call(world.cluster.masters[0], "DRAIN_AGENT", **agent)
            call(world.cluster.masters[0], "REACTIVATE_AGENT", **agent)
    return world.cluster.active() == 8
