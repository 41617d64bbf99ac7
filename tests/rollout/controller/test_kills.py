"""A controller that is killed at each place where it writes something down or asks for something;
another one goes on, on the same machine or on another, and comes to the same end.

The places are those of `killed_controller`, told by a run that is not killed; that they are all is
checked by what the kernel was asked for meanwhile.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.kill_points import tell, why_no_strace
from tests.support.killed_controller import AFTER, BEFORE, CHANGES
from tests.support.rollout_world import PATIENCE, RolloutWorld, rollout_world
from tests.support.zookeeper import need_zookeeper, zookeeper

HOSTS = 2
EVERY = 85  # in the ordinary run one kill in so many
SHARDS = 4  # of all kills
SESSION_SECONDS = 0.6
PORTS = count(1)  # a profile that no host has yet
# A frame of SQLite's write-ahead log begins with 24 bytes, of which 4 to 7 are 0 but for the last
# one of a transaction (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
FRAME = re.compile(r'pwrite64\(\d+, "((?:\\x..){24})", 24, \d+\)')
SENT = re.compile(r'sendto\(\d+, "((?:\\x..)+)"')
RENEWED = re.compile(r"ftruncate\(\d+, 0\)")


class Run:
    """One rollout that is killed at a place. here: a directory of its own, of the machine that it
    begins on; there: of the one that goes on."""

    def __init__(self, world: RolloutWorld, here: Path, there: Path, port: int) -> None:
        self._here, self._there = replace(world, directory=here), replace(world, directory=there)
        self._file = here / "places"
        here.mkdir()
        there.mkdir(exist_ok=True)
        self._name = f"killed-{port}"
        drain = {"mode": "deactivate"}
        strategy = self._here.strategy(port, name=self._name, max_unavailable=1, drain=drain)
        self._words = self._here.command("start", strategy)[3:]
        self._where = (f"--masters={world.masters}",) if here != there else ()

    @property
    def places(self) -> list[str]:
        """Those that it came to."""
        return self._file.read_text().splitlines()

    def start(self, where: str, *tracer: str | Path) -> int:
        """Start it, and let it be killed there; its exit status."""
        program = (sys.executable, "-m", "tests.support.killed_controller", self._file, where)
        return subprocess.run(
            [*tracer, *program, *self._words],
            capture_output=True,
            env=self._here.environment,
            timeout=PATIENCE * 3,
            check=False,
        ).returncode

    def wrong(self) -> Iterator[str]:
        """What is wrong when another controller has gone on, in words."""
        known = json.loads(self._there.run("history", "--format=json", *self._where))["rollouts"]
        rollout = next((each["rollout"] for each in known if each["name"] == self._name), None)
        if rollout is None:
            return  # it was killed before there was one
        if self._there.status(*self._where, rollout)["state"] != "done":
            if self._where:
                self._there.wait(
                    lambda: self._there.status(*self._where, rollout)["holder"] is None,
                    "the end of the session of the one that was killed",
                )
            self._there.run("resume", *self._where, rollout)
        told = self._there.status(*self._where, rollout)
        if told["counts"] != {"done": HOSTS}:
            yield f"another end: {told['counts']} {told['causes']}"
        for host, attempts in self._there.applied(rollout).items():
            if len(attempts) != len(set(attempts)) or not attempts:
                yield f"{host} has the attempts {attempts}"
        if any(each["deactivated"] for each in self._there.cluster.slaves().values()):
            yield "something is left deactivated"
        if self._here.most_unavailable() > 1:
            yield "two hosts were unavailable at once"


@pytest.fixture(scope="module")
def here_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    """The record is in a file."""
    with rollout_world(tmp_path_factory.mktemp("small"), agents=HOSTS) as world:
        yield world


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutWorld]:
    """The record is in a ZooKeeper that soon takes a session for ended."""
    need_zookeeper()
    directory = tmp_path_factory.mktemp("elected")
    with zookeeper(directory, most_session_seconds=SESSION_SECONDS) as server:
        place = f"zk://{server.address}/mesos"
        options = ("--masters=2", f"--election={place}")
        with rollout_world(directory, *options, agents=HOSTS) as world:
            yield replace(world, masters=place)


@pytest.fixture
def new_run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Run]:
    """Makes runs, of which none has seen another; the parameter names the world."""
    world: RolloutWorld = request.getfixturevalue(request.param)

    def new() -> Run:
        port = next(PORTS)
        here = tmp_path / f"here-{port}"
        there = here if request.param == "here_only" else tmp_path / f"there-{port}"
        return Run(world, here, there, port)

    return new


WORLDS = pytest.mark.parametrize(
    "new_run", ["here_only", pytest.param("anywhere", marks=pytest.mark.long)], indirect=True
)


@WORLDS
def test_the_places_are_all_that_there_are(new_run: Callable[[], Run], tmp_path: Path) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    run, log = new_run(), tmp_path / "log"
    tracer = ("strace", "-f", "-qq", "-xx", "-s", "24", "-e", "trace=pwrite64,sendto,ftruncate")
    assert run.start("0", *tracer, "-o", log) == 0
    text = log.read_text()
    frames = map(_bytes, FRAME.findall(text))
    sent = [*map(_bytes, SENT.findall(text))]
    seen = Counter(
        write=sum(frame[4:8] != bytes(4) for frame in frames),
        ask=sum(data.startswith((b"GET /", b"POST /")) for data in sent),
        lock=len(RENEWED.findall(text)),
        zookeeper=sum(_changes_zookeeper(data) for data in sent),
    )
    told = Counter(place.split()[0] for place in run.places)
    assert not seen - told  # at a place more than those nothing was changed
    assert told["write"] > 10 < told["ask"]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _changes_zookeeper(data: bytes) -> bool:
    """Whether these are the first bytes of such a request: length, number, kind."""
    return data[:1] == b"\0" and int.from_bytes(data[8:12], "big") in CHANGES


@WORLDS
@pytest.mark.parametrize(
    "shard", [None, *(pytest.param(each, marks=pytest.mark.long) for each in range(SHARDS))]
)
def test_killed_anywhere_another_one_comes_to_the_same_end(
    new_run: Callable[[], Run],
    shard: int | None,
    record_property: Callable[[str, object], None],
) -> None:
    whole = new_run()
    assert whole.start("0") == 0
    kills = [f"{at}{side}" for at in range(1, len(whole.places) + 1) for side in (BEFORE, AFTER)]
    tried = kills[::EVERY] if shard is None else kills[shard::SHARDS]
    lost: list[str] = []
    for where in tried:
        run = new_run()
        status = run.start(where)
        at = int(where[:-1])
        if status == -signal.SIGKILL:
            assert len(run.places) == at
        else:  # a look more or less is a matter of chance: this run was over before
            assert status == 0 and len(run.places) < at
        lost += [f"{where} {run.places[-1]}: {reason}" for reason in run.wrong()]
    tell("kills", "a controller of rollouts", len(tried), lost, record_property)


def test_of_two_controllers_the_one_that_was_followed_is_obeyed_by_nobody(
    here_only: RolloutWorld, tmp_path: Path
) -> None:
    """The lock is lost while the first one is stopped, as a session with ZooKeeper is."""
    world = replace(here_only, directory=tmp_path)
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
