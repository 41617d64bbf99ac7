"""A rollout over a thousand agents, on the way of which the controller and the master die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rollout_world import FAILED, RolloutWorld, rollout_world

AGENTS = 1000
AT_ONCE = 40


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    # A thousand agents are pinged in turn: as fast as few are, they would not keep up.
    directory, scale = tmp_path_factory.mktemp("thousand"), "--time-scale=0.2"
    with rollout_world(directory, scale, agents=AGENTS) as world:
        yield world


def strategy(world: RolloutWorld, port: int, **more: object) -> Path:
    batches = [1, "1%", "30%", "100%"]
    drain = {"mode": "deactivate"}
    select = {"at_least": AGENTS}
    return world.strategy(
        port, select=select, batches=batches, max_unavailable=AT_ONCE, drain=drain, **more
    )


@pytest.mark.long
def test_controller_and_master_die_and_it_comes_to_its_end(thousand: RolloutWorld) -> None:
    with thousand.running("start", strategy(thousand, 1)) as first:
        first.wait_for("batch 3 of 4")
        first.process.kill()
    with thousand.running("resume") as second:
        second.wait_for("batch 4 of 4")
        thousand.cluster.tell("masters", act="restart", number=1)
        second.end(0)
    told = thousand.status()
    assert told["counts"] == {"done": AGENTS}
    tried = thousand.applied(told["rollout"])
    assert len(tried) == AGENTS
    assert all(attempts and len(set(attempts)) == len(attempts) for attempts in tried.values())
    assert thousand.most_unavailable() <= AT_ONCE
    thousand.wait(lambda: thousand.cluster.active() == AGENTS, "all agents")
    assert not any(each["deactivated"] for each in thousand.cluster.slaves().values())


@pytest.mark.long
def test_what_failed_is_told_by_cause_and_tried_again(thousand: RolloutWorld) -> None:
    thousand.fault("unhealthy:2%")
    path = strategy(thousand, 2, max_failures="5%", attempts=1)
    thousand.run("start", path, status=FAILED)
    told = thousand.status()
    counts = Counter(told["counts"])
    assert (counts["rolled-back"], counts["done"]) == (20, AGENTS - 20), told
    (cause,) = told["causes"]
    assert len(cause["hosts"]) == 20
    assert thousand.most_unavailable() <= AT_ONCE
    thousand.fault("return:*")
    thousand.run("retry", "--failed")
    assert thousand.status()["counts"] == {"done": AGENTS}
