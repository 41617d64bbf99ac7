"""After a power loss while a host remembers what it has seen of a signed repository.

Nothing older is believed than before, and what was said to be remembered is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packager.repositories import index_build, trusted_metadata

from tests.support.kill_points import tell, why_no_strace
from tests.support.power_loss import Recording, judged, recording_to
from tests.support.repository_site import put, site
from tests.support.signed_repository import World

REMEMBER = """
import sys
from packager.repositories import trusted_metadata
here, there = sys.argv[1:]
trusted_metadata.save(here, "main", trusted_metadata.load(there, "main"))
print("remembered")
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if why_no_strace():
        pytest.skip(why_no_strace())
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(index_build, "MIN_AGE_SECONDS", -10.0)  # only what is new is read
    put(tmp_path / "repo", "hello--1.0")
    with site(tmp_path / "repo") as served:
        made = World(tmp_path, served)
        made.sign("own")
        yield made


def nothing(world: World) -> None:
    """A store that has not seen the repository."""
    (world.path / "here").mkdir()


def older(world: World) -> None:
    """A store that has seen the version before."""
    world.read()
    shutil.copytree(world.path / "root", world.path / "here")


def interrupted(world: World) -> None:
    """The same, and what a killed command has left."""
    older(world)
    for name in (".trusted.json.new", ".index.json.new"):
        (world.path / "here/repositories/main" / name).write_text("{")


@pytest.mark.parametrize("prepare", [nothing, older, interrupted])
def test_cut_at_every_call(
    world: World,
    prepare: Callable[[World], None],
    record_property: Callable[[str, object], None],
) -> None:
    prepare(world)
    here, before, log = world.path / "here", world.path / "before", world.path / "log"
    put(world.repo, "hello--2.0")
    world.sign("own")
    world.read()
    new = trusted_metadata.load(str(world.path / "root"), "main")
    old = trusted_metadata.load(str(here), "main")
    assert new is not None and (old is None or new.age > old.age)
    shutil.copytree(here, before)
    command = [*recording_to(log), sys.executable, "-c", REMEMBER]
    subprocess.run([*command, here, world.path / "root"], check=True, capture_output=True)
    recording = Recording(before, here, log.read_text())
    assert 0 < recording.reported <= len(recording.changes)

    def judge(image: Path, reported: bool) -> None:
        found = trusted_metadata.load(str(image), "main")
        age = None if found is None else found.age
        trusted_metadata.save(str(image), "main", new)  # the next command, which sees it again
        again = trusted_metadata.load(str(image), "main")
        assert again is not None and again.same(new)
        assert not list(image.rglob("*.new"))
        allowed = [new.age] if reported else [old and old.age, new.age]
        assert age in allowed, f"version {age} is known"

    tried, lost = judged(recording, world.path / "image", judge)
    tell("power losses", f"remembering, {prepare.__name__}", tried, lost, record_property)
