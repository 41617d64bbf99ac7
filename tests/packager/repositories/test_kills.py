"""Killed at every call that changes the disk: while signing, and while remembering what was seen.

A forked child counts its calls and kills itself before the n-th of them. Whatever it leaves, hosts
see the old or the new index, verified; the next run puts everything in order.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from packager.repositories import index_build, trusted_metadata

from tests.support.repository_site import put, site
from tests.support.signed_repository import World

CALLS = ("mkdir", "write", "fchmod", "fsync", "rename", "unlink")


def killed(work: Callable[[], object], at: int) -> bool:
    """Do `work` in a child that dies at its call number `at`; false if it came to its end."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            count_down(at)
            work()
            os._exit(0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def count_down(at: int) -> None:
    left = at

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **more)

        return wrapped

    for name in CALLS:
        setattr(os, name, dying(getattr(os, name)))
    opening = os.open

    def open_(path: str, flags: int, *rest: int, **more: int) -> object:
        making = dying(opening) if flags & os.O_CREAT else opening
        return making(path, flags, *rest, **more)

    os.open = open_  # type: ignore[assignment]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(index_build, "MIN_AGE_SECONDS", -10.0)  # only what is new is read
    put(tmp_path / "repo", "hello--1.0")
    with site(tmp_path / "repo") as served:
        made = World(tmp_path, served)
        made.sign("own")
        yield made


def leftovers(directory: Path) -> list[str]:
    return [str(path) for path in directory.rglob("*.new")]


def test_signing(world: World) -> None:
    known = ["hello--1.0"]
    points = 0
    while True:
        name = f"hello--2.{points}"
        put(world.repo, name)
        points += 1
        ended = not killed(lambda: world.sign("own"), points)
        found = sorted(world.read(remember=False).packages)
        news = sorted([*known, name])
        assert found in (known, news)
        world.sign("own")  # the next run, with nothing in its way
        assert sorted(world.read(remember=False).packages) == news
        assert leftovers(world.repo) == []
        known = news
        if ended:
            break
    print(f"{points - 1} kill points, none lost")
    assert points > 20


def test_remembering(world: World) -> None:
    points = 0
    age = (0, 0)
    while True:
        points += 1
        ended = not killed(world.read, points)
        left = trusted_metadata.load(str(world.path / "root"), "main")
        assert left is None or left.age >= age
        world.read()
        now = trusted_metadata.load(str(world.path / "root"), "main")
        assert now is not None and now.age >= age
        age = now.age
        assert leftovers(world.path / "root") == []
        if ended:
            break
        world.sign("own")
    print(f"{points - 1} kill points, none lost")
    assert points > 5
