"""Killed, or refused by the kernel, at every system call that changes the disk.

Whatever happened, readers see the old or the new state, packages are as they were added, and the
next writer leaves nothing behind.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from packager.store.installed import installed_ids
from packager.store.store import Store

from tests.support import fork_server
from tests.support.kill_points import Point, counting, doing, points, tell, why_no_strace
from tests.support.tar_archives import GOOD, hard_link, snapshot

UNSYNCED = {"flock"}  # changes no disk: killed at, but no disk error can come of it
ARCHIVE = hard_link("./lib/shared", "./bin/hello").join([GOOD[:-1024], GOOD[-1024:]])


@pytest.fixture(autouse=True)
def strace() -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())


class Scene:
    """A store in its state before a command, the command, and the state after it."""

    def __init__(self, top: Path, prepare: Callable[[Path], None], words: list[str]) -> None:
        self.archive = top / "a--1.tar"
        self.archive.write_bytes(ARCHIVE)
        self.words = [str(self.archive) if word == "ARCHIVE" else word for word in words]
        self._top = top
        self._prepare = prepare
        first = self.fresh("first")
        self.old = installed(first)
        log = top / "log"
        result = self.run(first, counting(log))
        assert result.returncode == 0, result.stderr
        self.new = installed(first)
        assert tidy(first) == ""
        self.points = points(log.read_text())

    def fresh(self, name: str) -> Path:
        root = self._top / name / "root"
        shutil.rmtree(root.parent, ignore_errors=True)
        root.parent.mkdir()
        self._prepare(root)
        return root

    def run(self, root: Path, tracer: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
        return fork_server.run(["packager", "--root", root, *self.words], os.environ, tracer=tracer)

    def inject(self, root: Path, point: Point, what: str) -> subprocess.CompletedProcess[bytes]:
        """Run the command in `root` and do `what` to it at `point` (see `kill_points.doing`)."""
        return self.run(root, doing(what, point, self._top / "injected.log"))


def installed(root: Path) -> dict[str, object]:
    """What readers see, compared byte by byte; and it must be sound."""
    for verified in Store(str(root)).verify():
        assert [f"{d.path}: {d.reason}" for d in verified.differences] == []
    assert [path.name for path in sorted(root.glob("packages/*"))] == installed_ids(str(root))
    return dict(snapshot(root / "packages"))


def tidy(root: Path) -> str:
    """What is left over in the store, in words."""
    staging = [str(path) for path in root.glob("staging/*")]
    records = {path.name for path in root.glob("manifests/*")}
    ids = set(installed_ids(str(root)))
    return "" if not staging and records == ids else f"{staging} {records ^ ids}"


def empty(root: Path) -> None:
    """No store at all."""


def other(root: Path) -> None:
    """A store with another package."""
    Store(str(root)).add(io.BytesIO(GOOD), package_id="other--1")


def present(root: Path) -> None:
    """A store that has the package."""
    other(root)
    Store(str(root)).add(io.BytesIO(ARCHIVE), package_id="a--1")


def interrupted(root: Path) -> None:
    """A store in which an add of b--1 was killed between its two renames."""
    present(root)
    left = root / "staging" / "1-dead"
    shutil.copytree(root / "packages" / "a--1", left / "tree", symlinks=True)
    shutil.copy(root / "manifests" / "a--1", root / "manifests" / "b--1")


SCENES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "the first add": (empty, ["add", "ARCHIVE"]),
    "add": (other, ["add", "ARCHIVE"]),
    "add of what is there": (present, ["add", "ARCHIVE"]),
    "remove": (present, ["remove", "a--1"]),
    "recovery": (interrupted, ["add", "ARCHIVE"]),
}


@pytest.mark.parametrize("name", SCENES)
def test_killed_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    scene = Scene(memory, *SCENES[name])
    lost = []
    killed = 0
    for point in scene.points:
        root = scene.fresh("killed")
        result = scene.inject(root, point, "signal=KILL")
        killed += result.returncode == -signal.SIGKILL
        try:
            state = installed(root)
            assert state in (scene.old, scene.new), "neither the old nor the new state"
            Store(str(root)).recover()
            assert installed(root) == state, "recovery changed the state"
            assert tidy(root) == ""
            again = scene.words[0] == "remove" and state == scene.new
            if not again:
                retried = scene.run(root)
                assert retried.returncode == 0, retried.stderr
            assert installed(root) == scene.new
        except AssertionError as error:
            lost.append(f"{point}: {error}")
    tell("kill points", name, len(scene.points), lost, record_property)
    assert killed == len(scene.points)


def test_nothing_is_reported_before_it_is_durable(memory: Path) -> None:
    """The order that power loss makes important, as the kernel saw it."""
    calls = [(point.call, point.arguments) for point in Scene(memory, *SCENES["add"]).points]

    def at(call: str, words: str = "") -> int:
        return max(n for n, (name, rest) in enumerate(calls) if name == call and words in rest)

    written = max(at("write", "sha256"), at("symlinkat"), at("linkat"), at("mkdirat"))
    renames = [n for n, (name, _) in enumerate(calls) if name.startswith("rename")]
    syncs = [n for n, (name, _) in enumerate(calls) if name == "fsync"]
    record, tree = renames
    assert written < at("syncfs") < record
    assert any(record < sync < tree for sync in syncs)
    assert tree < syncs[-1] < at("write", "added a--1")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("the first add", "ENOSPC+"),
        ("add", "EIO"),
        ("add", "EROFS+"),
        ("remove", "EIO"),
        ("remove", "ENOSPC+"),
    ],
)
def test_refused_at_every_call(name: str, error: str, memory: Path) -> None:
    scene = Scene(memory, *SCENES[name])
    tried = 0
    lost = []
    for point in scene.points:
        if point.call in UNSYNCED or point.to_terminal:
            continue
        tried += 1
        root = scene.fresh("refused")
        result = scene.inject(root, point, f"error={error}")
        try:
            state = installed(root)
            if result.returncode == 0:  # the call was not needed: to clean up, mostly
                assert state == scene.new
            else:
                assert result.returncode == 74, result.stderr
                if point.call != "write":  # else what to say can't be written either
                    assert result.stderr.count(b"\n") == 1
                    assert os.fsencode(root) in result.stderr
                done = b"was removed, but" in result.stderr  # what is left of it is named
                assert state == (scene.new if done else scene.old)
            Store(str(root)).recover()
            assert installed(root) == state
            assert tidy(root) == ""
        except AssertionError as failed:
            lost.append(f"{point}: {failed}")
    print(f"{error} in {name}: {tried} tried, {len(lost)} lost")
    assert not lost, "\n".join(lost)
    assert tried
