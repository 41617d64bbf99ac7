"""What a real master answered, the simulated one answers too."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.support.master_replay import ReplayedMaster, comparable, load

RECORDED = load(ROOT / "fixtures" / "masters" / "recorded.json")
#: Answers whose bodies are not compared: /state has more members at a real master.
_HEADS_ONLY = ("/state", "/master/state", "/flags", "/metrics/snapshot")


def test_every_recorded_exchange_is_answered_alike() -> None:
    master = ReplayedMaster(RECORDED["agents"])
    different: list[tuple[object, ...]] = []
    compared = 0
    for item in RECORDED["items"]:
        if "act" in item:
            master.act(*item["act"])
            continue
        method, target, headers, body = item["request"]
        status, expected_headers, expected_body = item["response"]
        given = master.ask(method, target, headers, body)
        seen = {k: v for k, v in given.headers if k != "Content-Length"}
        expected_headers.pop("Content-Encoding", None)
        compared += 1
        if (given.status, seen) != (status, expected_headers):
            different.append((item["name"], (status, expected_headers), (given.status, seen)))
        elif expected_body is not None and target not in _HEADS_ONLY:
            wanted, found = comparable(expected_body), comparable(given.body.decode())
            if wanted != found:
                different.append((item["name"], wanted, found))
        if "drain_info" in item:
            agent_id = next(each for each in master.state.draining if f'"{each}"' in body)
            drain = master.state.draining[agent_id]
            if {"state": drain.state, "config": drain.config} != item["drain_info"]:
                different.append((item["name"], item["drain_info"], drain))
    assert not different, "\n".join(map(str, different))
    assert compared > 200


@pytest.mark.parametrize("kind", RECORDED["left_out"])
def test_what_is_left_out_is_told_in_the_manual(kind: str) -> None:
    manual = (ROOT / "docs" / "cluster.md").read_text()
    assert kind in " ".join(manual.split())
