"""After a power loss at any moment of an apply: the old set or the new one, what was reported is
there, and the next apply finishes."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from provisioner.runs import reader

from tests.provisioner.applying.kill_scenes import Scene
from tests.support.kill_points import tell, why_no_strace
from tests.support.package_sets import look
from tests.support.power_loss import Recording, judged, recording_to

EVERY = 5  # images are so many that only one in so many is gone on with


@pytest.mark.parametrize("name", ["packages and configuration change"])
def test_cut_at_every_call(
    name: str, memory: Path, record_property: Callable[[str, object], None]
) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    scene = Scene(memory, name)
    scene.modes_hold = False
    scene.fresh()
    before, log = memory / "before", memory / "recorded"
    subprocess.run(["cp", "-a", scene.root, before], check=True)
    done = scene.traced(recording_to(log))
    assert done.returncode == scene.code, done.stderr
    numbers = itertools.count(1)

    def judge(image: Path, reported: bool) -> None:
        number = next(numbers)
        wrong = list(scene.unreadable())
        if reported and not wrong:
            applied, pending = reader.applied_run(str(image)), reader.pending_run(str(image))
            there = applied is not None and applied.number == 2 and pending is None
            if look(image) != scene.after or not there:
                wrong.append("what was reported is not there")
        if number % EVERY == 0:
            wrong += scene.wrong(number)
        assert not wrong, "; ".join(wrong)

    # In the very place of the store, since what it says of the host has absolute paths.
    tried, lost = judged(Recording(before, scene.root, log.read_text()), scene.root, judge)
    tell("power losses", name, tried, lost, record_property)
