"""After a power loss at any moment: the old set or the new one, and what was reported is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packager.generation import active_number
from packager.installed import installed_ids
from packager.store import Store
from packager_store.test_crash import why_no_strace

from .power import OPTIONS, Recording
from .sets import PACKAGER, check, look, tidy
from .test_crash import copying, interrupted, one, packages, three, without_tree

# The images are many and small; what is asked of them does not depend on the file system.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
State = tuple[dict[str, str], int | None, list[str]]

SCENES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "the first activate": (packages, ["activate", "a--1", "b--1"]),
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
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    prepare, words = SCENES[name]
    before, root, log = tmp_path / "before", tmp_path / "root", tmp_path / "log"
    prepare(before)
    subprocess.run(["cp", "-a", before, root], check=True)
    command = ["strace", *OPTIONS, "-o", str(log), str(PACKAGER), "--root", str(root), *words]
    subprocess.run(command, check=True, capture_output=True)
    old, new = state(before), state(root)
    recording = Recording(before, root, log.read_text())
    image = Path(tempfile.mkdtemp(dir=MEMORY)) / "image"
    tried = 0
    lost = []
    for cut, words_lost, write in recording.images():
        write(image)
        tried += 1
        try:
            seen = state(image)
            assert seen[:2] in (old[:2], new[:2]), "neither the old nor the new set"
            if cut >= recording.reported:
                assert seen[:2] == new[:2], "what was reported is not there"
            Store(str(image)).recover()
            assert state(image)[:2] == seen[:2], "recovery changed what is active"
            check(image, content=False)
            tidy(image)
            if cut >= recording.reported:
                assert state(image) == new
        except (AssertionError, OSError) as error:
            lost.append(f"after {cut} changes, without {words_lost}: {error}")
        shutil.rmtree(image)
    image.parent.rmdir()
    told = f"{name}: {tried} tried, {len(lost)} lost"
    record_property("power losses", told)
    print(f"power losses in {told}")
    assert not lost, "\n".join(lost[:10])
    assert tried
