"""After a power loss at any moment: the old set or the new one, and what was reported is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from packager.generations.document import active_number
from packager.store.installed import installed_ids
from packager.store.store import Store

from tests.packager.activation.test_kills import (
    copying,
    interrupted,
    one,
    packages,
    three,
    wide,
    without_tree,
)
from tests.support.kill_points import tell, why_no_strace
from tests.support.package_sets import check, look, run, tidy
from tests.support.power_loss import Recording, judged, recording_to

State = tuple[dict[str, str], int | None, list[str]]

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


def state(root: Path) -> State:
    return look(root), active_number(str(root)), installed_ids(str(root))


@pytest.mark.parametrize("name", SCENES)
def test_cut_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    prepare, words = SCENES[name]
    before, root, log = memory / "before", memory / "root", memory / "log"
    prepare(before)
    subprocess.run(["cp", "-a", before, root], check=True)
    assert run(root, *words, tracer=recording_to(log)).returncode == 0
    old, new = state(before), state(root)

    def judge(image: Path, reported: bool) -> None:
        seen = state(image)
        assert seen[:2] in (old[:2], new[:2]), "neither the old nor the new set"
        if reported:
            assert seen[:2] == new[:2], "what was reported is not there"
        Store(str(image)).recover()
        assert state(image)[:2] == seen[:2], "recovery changed what is active"
        check(image, content=False)
        tidy(image)
        if reported:
            assert state(image) == new

    tried, lost = judged(Recording(before, root, log.read_text()), memory / "image", judge)
    tell("power losses", name, tried, lost, record_property)
