"""Killed at every system call that changes the disk, of applies that succeed, of ones that go back,
and of those that follow an interrupted one. A reader sees a whole set after each kill, and the next
apply (of the same profile, or of another one) finds its way and leaves nothing behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packager_activation.test_power import MEMORY
from packager_store.test_crash import why_no_strace

from .forks import Forks, forks
from .scenes import SCENES, Scene


@pytest.fixture(scope="module")
def server() -> Iterator[Forks]:
    if why_no_strace():
        pytest.skip(why_no_strace())
    with forks() as running:
        yield running


@pytest.mark.parametrize("name", SCENES)
def test_killed_at_every_call(
    name: str, server: Forks, record_property: Callable[[str, object], None]
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as top:
        scene = Scene(Path(top), name, server)
        lost = []
        killed = 0
        for number, point in enumerate(scene.points):
            scene.fresh()
            killed += scene.kill(point)
            lost += [f"{point}: {reason}" for reason in scene.wrong(number)]
    told = f"{name}: {len(scene.points)} tried, {len(lost)} lost"
    record_property("kill points", told)
    print(f"kill points of {told}")
    assert not lost, "\n".join(lost[:20])
    assert killed == len(scene.points)
