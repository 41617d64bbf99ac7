"""Full disks get clear answers, and what was there before is there behind them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .agents import Agent, Agents, archive

MIB = 1 << 20
SPOOL = "/var/spool/agent"
STORE = "/opt/packager"
PAGE = 4096
FILLER = f"{STORE}/filler"

SPOOL_ROUTES: list[dict[str, Any]] = [
    {"path": "/make", "method": "GET", "argv": [f"head -c {32 * MIB} /dev/zero"]},
    {"path": "/fit", "method": "GET", "argv": [f"head -c {6 * MIB} /dev/zero"]},
    {
        "path": "/take",
        "method": "POST",
        "argv": ["exec wc -c"],
        "stdin": "body",
        "max_body": 64 * MIB,
    },
]


def test_a_full_spool(agents: Agents, table: Any) -> None:
    """Outputs and bodies that do not fit are refused with the reason; the next ones have room."""
    file = table("disk", ["sh", "-c"], *SPOOL_ROUTES)
    agent = agents.start(
        str(file), f"--spool-dir={SPOOL}", tmpfs={SPOOL: f"{agents.owned},size=8m"}
    )
    for _ in range(3):
        answer = agent.ask("GET", "/disk/make")
        assert (answer.status, answer.reason) == (503, "spool-full")
        assert "did not fit on the host's disk" in answer.problem["detail"]
        answer = agent.ask("POST", "/disk/take", bytes(32 * MIB))
        assert (answer.status, answer.reason) == (503, "spool-full")
        # All of it is there again at once.
        assert len(agent.ask("GET", "/disk/fit").body) == 6 * MIB
        assert agent.ask("POST", "/disk/take", bytes(6 * MIB)).body.split() == [b"%d" % (6 * MIB)]


@pytest.fixture
def agent(agents: Agents) -> Agent:
    """An agent whose store is on a small disk, with two versions of a package; one is active."""
    started = agents.start(tmpfs={STORE: f"{agents.owned},size=4m,nr_inodes=600", "/tmp": ""})
    for number in (1, 2):
        upload(started, f"web--{number}")
    started.done("/packager/activate?ids=web--1")
    return started


def upload(agent: Agent, package_id: str, size: int = PAGE) -> None:
    """Add a package of many small files."""
    done = agent.ask("POST", f"/packager/upload?id={package_id}", package(package_id, size))
    assert done.record["exit_code"] == 0, done.text


def package(package_id: str, size: int = PAGE) -> bytes:
    """An archive whose paths no other one has."""
    return archive({f"bin/{package_id}.{i}": bytes(size) + package_id.encode() for i in range(24)})


def fill(agent: Agent, pages: int) -> None:
    """Leave so many pages of the store's disk free."""
    script = f"""import os
space = os.statvfs({STORE!r})
with open({FILLER!r}, "wb") as filler:
    filler.write(bytes((space.f_bavail - {pages}) * space.f_frsize))
assert os.statvfs({STORE!r}).f_bavail == {pages}"""
    assert agent.running.execute("python3", "-c", script) == (0, "")


def use_up_names(agent: Agent, left: int) -> None:
    """Leave so many inodes of the store's disk free."""
    script = f"""import os
os.mkdir({FILLER!r})
for number in range(os.statvfs({STORE!r}).f_favail - {left}):
    open(f"{FILLER}/{{number}}", "wb").close()"""
    assert agent.running.execute("python3", "-c", script) == (0, "")


def make_room(agent: Agent) -> None:
    """Free what was taken."""
    assert agent.running.execute("rm", "-r", FILLER) == (0, "")


def active(agent: Agent) -> list[str]:
    """The active packages."""
    return [each["id"] for each in agent.document("/packager/active.json")["packages"]]


def installed(agent: Agent) -> set[str]:
    """The packages of the store."""
    return {each["id"] for each in agent.document("/packager/list.json")["packages"]}


def sound(agent: Agent) -> None:
    """Nothing is damaged, and nothing is left of what was given up."""
    assert agent.document("/packager/verify.json")["ok"]
    assert agent.running.execute("find", f"{STORE}/staging", "-mindepth", "1") == (0, "")


def refused(agent: Agent, target: str, body: bytes | None = None) -> bool:
    """Whether a change was refused for want of space, in words that say so; else it was done."""
    answer = agent.ask("POST", target, body)
    if answer.status == 200 and answer.record["exit_code"] == 0:
        return False
    told = answer.record if answer.status == 200 else answer.problem
    assert answer.status in (200, 500) and told["exit_code"] == 74, answer.text
    assert "No space left on device" in told["stderr"], told
    assert "Traceback" not in told["stderr"], told
    return True


def test_a_package_that_does_not_fit(agent: Agent) -> None:
    assert refused(agent, "/packager/upload?id=big--1", package("big--1", MIB))
    assert installed(agent) == {"web--1", "web--2"}
    sound(agent)
    upload(agent, "small--1")
    sound(agent)


@pytest.mark.parametrize("room", ["pages", "names"])
def test_a_store_with_little_room(agent: Agent, room: str) -> None:
    """However much is free when a change begins, it is done or refused; a refused one is done
    when there is room."""
    outcomes = set()
    left = fill if room == "pages" else use_up_names
    for free in (0, 1, 2, 4, 9, 20, 32):
        for target, body in (
            ("/packager/swap?id=web--2", None),
            (f"/packager/upload?id=more--{free}", package(f"more--{free}", 1)),
        ):
            before, known = active(agent), installed(agent)
            left(agent, free)
            was_refused = refused(agent, target, body)
            outcomes.add(was_refused)
            if was_refused:
                assert (active(agent), installed(agent)) == (before, known)
            make_room(agent)
            agent.done(target, body)
            sound(agent)
        # A set cannot be left, nor a package be removed, without a little room either.
        left(agent, free)
        outcomes.add(refused(agent, "/packager/activate?ids=web--1"))
        assert active(agent) in (["web--1"], ["web--2"])
        make_room(agent)
        agent.done("/packager/activate?ids=web--1")
        sound(agent)
    assert outcomes == {True, False}


def test_room_is_made_on_a_full_disk(agent: Agent) -> None:
    """What the answer advises can be done there: to remove packages that nothing needs."""
    upload(agent, "spare--1")
    fill(agent, 0)
    assert refused(agent, "/packager/upload?id=more--1", package("more--1"))
    answer = agent.ask("POST", "/packager/remove?id=spare--1")
    assert answer.status == 200, answer.text
    assert json.loads(answer.body)["removed"]
    upload(agent, "more--1", 1)
    sound(agent)
