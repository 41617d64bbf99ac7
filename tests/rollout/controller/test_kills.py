"""A controller that is killed where it writes its record, and where it asks for something; another
one goes on, and comes to the same end.

The places are those that strace counts in a run that is not killed: each commit of the record
(fdatasync(2)), and each request (sendto(2)).
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kill_points import tell, why_no_strace
from tests.support.rollout_world import PATIENCE, RolloutWorld, rollout_world

CALLS = ("fdatasync", "sendto")
HOSTS = 2
EVERY = 23  # in the ordinary run one place in so many


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    if why_no_strace():
        pytest.skip(why_no_strace())
    with rollout_world(tmp_path_factory.mktemp("small"), agents=HOSTS) as world:
        yield world


class Run:
    """One rollout that is killed at a place, in a directory of its own."""

    def __init__(self, world: RolloutWorld, directory: Path, port: int) -> None:
        directory.mkdir()
        self.world = RolloutWorld(directory, world.masters, cluster=world.cluster)
        drain = {"mode": "deactivate"}
        self._strategy = self.world.strategy(port, max_unavailable=1, drain=drain)

    def start(self, log: Path, *rules: str) -> int:
        """Start it under strace; its exit status."""
        trace = f"trace={','.join(CALLS)}"
        command = self.world.command("start", self._strategy)
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", log, "-e", trace, *rules, *command],
            capture_output=True,
            env=self.world.environment,
            timeout=PATIENCE * 3,
            check=False,
        )
        return done.returncode

    def wrong(self) -> Iterator[str]:
        """What is wrong when another controller has gone on, in words."""
        known = self.world.run("history", "--format=json")
        if '"rollout"' not in known:
            return  # it was killed before there was one
        if self.world.status()["state"] != "done":
            self.world.run("resume")
        told = self.world.status()
        if told["counts"] != {"done": HOSTS}:
            yield f"another end: {told['counts']} {told['causes']}"
        for host, attempts in self.world.applied(told["rollout"]).items():
            if len(attempts) != len(set(attempts)) or not attempts:
                yield f"{host} has the attempts {attempts}"
        if any(each["deactivated"] for each in self.world.cluster.slaves().values()):
            yield "something is left deactivated"
        if self.world.most_unavailable() > 1:
            yield "two hosts were unavailable at once"


@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.long)])
def test_killed_anywhere_another_one_comes_to_the_same_end(
    small_world: RolloutWorld,
    tmp_path: Path,
    everywhere: bool,
    record_property: Callable[[str, object], None],
) -> None:
    log = tmp_path / "log"
    assert Run(small_world, tmp_path / "whole", 1).start(log) == 0
    # strace counts the calls of each thread for itself.
    seen = Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE))
    most = {call: max(seen[each] for each in seen if each[1] == call) for call in CALLS}
    assert min(most.values()) > 10
    places = [(call, at) for call in CALLS for at in range(1, most[call] + 1)]
    lost: list[str] = []
    killed = 0
    tried = places if everywhere else places[::EVERY]
    for number, (call, at) in enumerate(tried):
        run = Run(small_world, tmp_path / f"run-{number}", 2 + number)
        status = run.start(log, "-e", f"inject={call}:signal=KILL:when={at}")
        killed += status == -signal.SIGKILL or status == 128 + signal.SIGKILL
        lost += [f"{call} {at}: {reason}" for reason in run.wrong()]
    tell("kills", "a controller of rollouts", len(tried), lost, record_property)
    assert killed >= len(tried) * 0.8  # a request or two more or less is a matter of chance


def test_of_two_controllers_the_one_that_was_followed_is_obeyed_by_nobody(
    small_world: RolloutWorld, tmp_path: Path
) -> None:
    """The lock is lost while the first one is stopped, as a session with ZooKeeper is."""
    run = Run(small_world, tmp_path / "two", 500)
    world = run.world
    path = world.strategy(501, soak="3s", batches=[1, "100%"])
    with world.running("start", path) as first:
        first.wait_for("soaking")
        first.process.send_signal(signal.SIGSTOP)
        for lock in world.directory.glob("journal.db.r*.lock"):
            lock.unlink()  # the file that the stopped one holds is another one from now on
        world.run("resume")
        first.process.send_signal(signal.SIGCONT)
        said = first.end(7)
    assert "this controller stops" in said or "this one stops" in said
    told: dict[str, Any] = world.status()
    assert told["counts"] == {"done": HOSTS}
    assert world.applied(told["rollout"]) == {host: [1] for host in world.histories()}
