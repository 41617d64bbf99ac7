"""Wall clocks that jump by days, of the controller, of the hosts and of the master: nothing that is
decided looks at one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.rollout_world import PAUSED, rollout_world

JUMPING = ("-m", "tests.support.jumping_clock")


def test_clocks_that_jump_change_nothing(tmp_path: Path) -> None:
    agents = (*JUMPING, "agentsim")
    with rollout_world(tmp_path, agents=4, program=agents) as steady:
        world = replace(steady, program=(*JUMPING, "rollout"))
        drain = {"mode": "drain", "grace": "1s", "deadline": "1h"}
        promote = {"after": 1, "manual": True}
        path = world.strategy(1, drain=drain, soak="1s", promote=promote)
        world.run("start", path, status=PAUSED)
        assert world.status()["elapsed"] < 60
        world.run("resume", "--promote")  # with the running time of before
        told = world.status()
        assert told["counts"] == {"done": 4} and told["elapsed"] < 60
        assert world.applied(told["rollout"]) == {host: [1] for host in world.histories()}
        assert world.run("report", "--html", tmp_path / "report.html") == ""
        assert "<svg" in (tmp_path / "report.html").read_text()
