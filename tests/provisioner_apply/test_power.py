"""After a power loss at any moment of an apply: the old set or the new one, what was reported is
there, and the next apply finishes."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packager_activation.power import OPTIONS, Recording
from packager_activation.sets import look
from packager_activation.test_power import MEMORY
from packager_store.test_crash import why_no_strace
from provisioner import runs

from .forks import forks
from .scenes import Scene

EVERY = 5  # images are so many that only one in so many is gone on with


@pytest.mark.parametrize("name", ["packages and configuration change"])
def test_cut_at_every_call(name: str, record_property: Callable[[str, object], None]) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    with forks() as server, tempfile.TemporaryDirectory(dir=MEMORY) as place:
        top = Path(place)
        scene = Scene(top, name, server)
        scene.modes_hold = False
        scene.fresh()
        before, log = top / "before", top / "recorded"
        subprocess.run(["cp", "-a", scene.root, before], check=True)
        done = scene.trace_with(["strace", *OPTIONS, "-o", str(log)])
        assert done.returncode == scene.code, done.stderr
        recording = Recording(before, scene.root, log.read_text())
        tried = 0
        lost = []
        for cut, words_lost, write in recording.images():
            shutil.rmtree(scene.root)
            write(scene.root)
            tried += 1
            wrong = list(scene.unreadable())
            if cut >= recording.reported and not wrong:
                applied, pending = runs.applied(str(scene.root)), runs.pending(str(scene.root))
                there = applied is not None and applied.number == 2 and pending is None
                if look(scene.root) != scene.after or not there:
                    wrong.append("what was reported is not there")
            if tried % EVERY == 0:
                wrong += scene.wrong(tried)
            lost += [f"after {cut} changes, without {words_lost}: {each}" for each in wrong]
    told = f"{name}: {tried} tried, {len(lost)} lost"
    record_property("power losses", told)
    print(f"power losses in {told}")
    assert not lost, "\n".join(lost[:10])
    assert tried
