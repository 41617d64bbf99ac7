"""One cluster for the tests of a file: starting one takes longer than a rollout."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rollout_world import RolloutWorld, rollout_world


@pytest.fixture(scope="module")
def cluster_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    with rollout_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(cluster_world: RolloutWorld) -> Iterator[RolloutWorld]:
    """The cluster with all its agents well, before and after."""
    yield cluster_world
    cluster_world.fault("return:*")
    cluster_world.wait(lambda: cluster_world.cluster.active() == 8, "all agents again")
