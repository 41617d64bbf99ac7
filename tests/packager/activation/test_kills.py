"""Killed at every system call that changes the disk, of every command about the active set.

A reader sees the old or the new set after each kill; the next command, whichever it is, finds a
sound store and leaves nothing behind; the killed command can be given again. The recovery itself is
killed at each of its calls too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packager.generations.document import active_number

from tests.support.kill_points import Point, counting, doing, points, scenes, tell, why_no_strace
from tests.support.package_sets import add, archive, check, look, ok, run, tidy

NEW = archive({"bin/new": "new\n"})
PARTS = ("packages", "manifests")
NEXT_COMMANDS = (["recover"], ["add", "--id=new--1", "-"], ["gc", "--keep=9"])


@pytest.fixture(autouse=True)
def strace() -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())


def packages(root: Path) -> None:
    """Packages, and nothing active yet."""
    for number in (1, 2, 3):
        add(root, f"a--{number}", {"bin/a": f"{number}", f"lib/{number}/x": f"{number}"})
    add(root, "b--1", {"bin/b": "b"}, {"environment": {"B": "1"}})
    add(root, "unused--1", {"bin/unused": "unused\n"})


def wide(root: Path) -> None:
    """A package of so many directories that they are not synced one by one."""
    add(root, "a--1", {f"lib/{number}/x": f"{number}" for number in range(30)})


def one(root: Path) -> None:
    """A first generation, and the spare tree."""
    packages(root)
    ok(root, "activate", "a--1", "b--1")


def three(root: Path) -> None:
    """Three generations, two of them with trees: the next one changes that of generation 2."""
    one(root)
    ok(root, "swap", "a--2")
    age(root)
    ok(root, "swap", "a--3")
    age(root)


def without_tree(root: Path) -> None:
    """Generation 1 has no tree any more."""
    three(root)
    ok(root, "deactivate", "b")
    age(root)
    assert not (root / "generations/1").exists()


def copying(root: Path) -> None:
    """One tree, and that one active: the next one is a copy of it."""
    one(root)
    ok(root, "swap", "a--2")
    ok(root, "gc", "--keep=1")
    add(root, "c--1", {"bin/c": "c"})


def interrupted(root: Path) -> None:
    """What killed commands can leave, all of it at once."""
    three(root)
    number = active_number(str(root))
    (root / "history" / f"{number}.json").unlink()
    shutil.copytree(root / "generations/2", root / "generations/next", symlinks=True)
    (root / "generations/next/bin/a").unlink()
    shutil.copytree(root / "generations/2", root / "generations/next-spare", symlinks=True)
    shutil.copytree(root / "generations/2", root / "generations/17", symlinks=True)
    (root / "active.new").symlink_to("generations/17")
    (root / "staging/1-dead").mkdir()
    shutil.copytree(root / "packages/b--1", root / "staging/1-dead/c--1")
    shutil.copy(root / "manifests/b--1", root / "manifests/c--1")


def age(root: Path) -> None:
    """All trees have been out of use for a minute."""
    for tree in (root / "generations").iterdir():
        os.utime(tree, (tree.stat().st_atime, tree.stat().st_mtime - 60))


SCENES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "the first activate": (packages, ["activate", "a--1", "b--1"]),
    "the first activate of many directories": (wide, ["activate", "a--1"]),
    "swap into the spare": (one, ["swap", "a--2"]),
    "swap into an old tree": (three, ["swap", "a--1"]),
    "activate into a copy": (copying, ["activate", "--add", "c--1"]),
    "rollback": (three, ["rollback"]),
    "rollback without a tree": (without_tree, ["rollback", "1"]),
    "gc": (three, ["gc", "--keep=1"]),
    "remove": (one, ["remove", "a--3"]),
    "recovery": (interrupted, ["recover"]),
}


class Scene:
    """A store before a command, the command, and what readers see before and after it."""

    def __init__(self, top: Path, name: str) -> None:
        prepare, self.words = SCENES[name]
        self._top = top
        self._model = top / "model"
        prepare(self._model)
        self.old = state(self._model)
        first = self.fresh()
        log = top / "log"
        result = run(first, *self.words, tracer=counting(log))
        assert result.returncode == 0, result.stderr
        self.new = state(first)
        self.points = [p for p in points(log.read_text()) if p.changes_something]

    def fresh(self) -> Path:
        root = self._top / "root"
        shutil.rmtree(root, ignore_errors=True)
        # Hard links stay hard links.
        subprocess.run(["cp", "-a", self._model, root], check=True)
        return root

    def kill(self, root: Path, point: Point) -> int:
        tracer = doing("signal=KILL", point, self._top / "killed.log")
        return run(root, *self.words, tracer=tracer).returncode


def state(root: Path) -> tuple[dict[str, str], int | None]:
    """What a reader sees."""
    return look(root), active_number(str(root))


def after_the_kill(scene: Scene, root: Path, number: int) -> Iterator[str]:
    """What is wrong after a kill at point `number`, in words."""
    seen = state(root)
    if seen not in (scene.old, scene.new):
        yield "neither the old nor the new set"
    following = NEXT_COMMANDS[number % len(NEXT_COMMANDS)]
    result = run(root, *following, stdin=NEW)
    if result.returncode != 0:
        yield f"{following[0]} failed after it: {result.stderr}"
    if state(root) != seen:
        yield f"{following[0]} changed what is active"
    try:
        check(root)
        tidy(root)
    except AssertionError as error:
        yield f"{following[0]} left: {error}"
    if seen == scene.old and seen != scene.new and number % 3 == 0:
        again = run(root, *scene.words)
        if again.returncode != 0:
            yield f"it can't be given again: {again.stderr}"
        check(root)


@pytest.mark.parametrize("name", scenes(SCENES, long=["the first activate of many directories"]))
def test_killed_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    scene = Scene(memory, name)
    lost = []
    killed = 0
    for number, point in enumerate(scene.points):
        root = scene.fresh()
        killed += scene.kill(root, point) == -signal.SIGKILL
        lost += [f"{point}: {reason}" for reason in after_the_kill(scene, root, number)]
    tell("kill points", name, len(scene.points), lost, record_property)
    assert killed == len(scene.points)


@pytest.mark.parametrize("name", scenes(["swap into the spare", "gc", "remove"], long=["gc"]))
def test_told_to_stop_at_every_call(name: str, memory: Path) -> None:
    """It dies of the signal, or has done what it was asked for. What may be left for the next
    command to see to, should it be told while it cleans up, is no package and no record of one."""
    scene = Scene(memory, name)
    stopped = 0
    for point in scene.points:
        root = scene.fresh()
        tracer = doing("signal=TERM", point, memory / "stopped.log")
        code = run(root, *scene.words, tracer=tracer).returncode
        stopped += code == -signal.SIGTERM
        assert code in (0, -signal.SIGTERM), point
        assert state(root) in ([scene.new] if code == 0 else [scene.old, scene.new]), point
        names = [{each.name for each in (root / part).iterdir()} for part in PARTS]
        assert names[0] == names[1], point
        ok(root, "recover")
        check(root)
        tidy(root)
    assert stopped
