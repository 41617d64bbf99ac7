"""Simulated masters elect their leader in a real ZooKeeper, and agents find it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.cluster_process import PATIENCE, cluster_process
from tests.support.zookeeper import need_zookeeper, zookeeper


def test_a_leader_is_elected_followed_and_replaced(tmp_path: Path) -> None:
    need_zookeeper()
    with zookeeper(tmp_path) as server:
        election = f"--election=zk://{server.address}/mesos"
        options = ("--agents=4", "--masters=3", election, "--time-scale=0.3")
        with cluster_process(tmp_path, *options) as cluster:
            cluster.wait(cluster.said("all 4 agents are registered"), "the agents")
            leader = _leader(cluster.masters)
            others = [each for each in cluster.masters if each != leader]
            cluster.wait(
                lambda: all(_get(each, "/slaves").status_code == 307 for each in others),
                "the others' knowing who leads",
            )
            for other in others:
                for path in ("/slaves", "/master/slaves?slave_id=x"):
                    answer = _get(other, path)
                    target = path.removeprefix("/master")
                    location = f"//{leader.removeprefix('http://')}/master{target}"
                    assert (answer.status_code, answer.headers["Location"]) == (307, location)
                assert _get(other, "/redirect").headers["Location"] == leader[len("http:") :]
                assert _get(other, "/health").status_code == 200
            number = cluster.masters.index(leader) + 1
            assert cluster.tell("masters", act="kill", number=number).ok
            # The others go on pointing to the dead one until its session has expired.
            assert _get(others[0], "/slaves").headers["Location"].startswith(leader[5:])
            with pytest.raises(requests.ConnectionError):
                _get(leader, "/health")

            def taken_over() -> Any:
                known = _leader(others)
                if known == "":
                    return False
                listed = _get(known, "/slaves").json()["slaves"]
                return len(listed) == 4 and all("reregistered_time" in each for each in listed)

            cluster.wait(taken_over, "another leader with all agents")


def _get(url: str, path: str) -> requests.Response:
    return requests.get(url + path, timeout=PATIENCE, allow_redirects=False)


def _leader(masters: list[str]) -> str:
    """The one that answers for itself, none if there is none."""
    found = [each for each in masters if _get(each, "/slaves").status_code == 200]
    return found[0] if found else ""
