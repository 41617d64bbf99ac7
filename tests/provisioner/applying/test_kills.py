"""Killed at every system call that changes the disk, of applies that succeed, of ones that go back,
and of those that follow an interrupted one. A reader sees a whole set after each kill, and the next
apply (of the same profile, or of another one) finds its way and leaves nothing behind.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.provisioner.applying.kill_scenes import SCENES, Scene
from tests.support.kill_points import scenes, tell, why_no_strace

LONG = (
    "the first apply",
    "packages and configuration change",
    "a failure after an interrupted one",
)
DECIDING = ("rename", "fsync", "syncfs", "unlink", "symlink")  # and not the filling of files


@pytest.fixture(autouse=True)
def strace() -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())


@pytest.mark.parametrize("name", scenes(SCENES, LONG))
def test_killed_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    scene = Scene(memory, name)
    lost = []
    killed = 0
    for number, point in enumerate(scene.points):
        scene.fresh()
        killed += scene.send(point, signal.SIGKILL) == -signal.SIGKILL
        lost += [f"{point}: {reason}" for reason in scene.wrong(number)]
    tell("kill points", name, len(scene.points), lost, record_property)
    assert killed == len(scene.points)


def test_told_to_stop_where_it_is_decided(memory: Path) -> None:
    """At every rename, sync and unlink it dies of the signal, leaves nothing that was staged, and
    is finished by the next apply; unless it was too late: then it has been done."""
    scene = Scene(memory, "packages and configuration change")
    lost = []
    stopped = 0
    deciding = [each for each in scene.points if each.call.startswith(DECIDING)]
    for number, point in enumerate(deciding):
        scene.fresh()
        ended = scene.send(point, signal.SIGTERM)
        stopped += ended == -signal.SIGTERM
        if ended not in (0, -signal.SIGTERM):
            lost.append(f"{point}: it ended with {ended}")
        if list((scene.root / "staging").iterdir()):
            lost.append(f"{point}: something is left in staging")
        lost += [f"{point}: {reason}" for reason in scene.wrong(number)]
    assert not lost, "\n".join(lost[:20])
    assert stopped
