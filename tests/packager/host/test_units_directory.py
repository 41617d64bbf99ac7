"""Where unit files can't be placed, that is said before anything has changed, with what helps."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.file_systems import MS_RDONLY, mounted, why_no_mounts
from tests.support.host_packages import add, host_options
from tests.support.packager_command import packager
from tests.support.tar_archives import snapshot

UNIT = "[Service]\nExecStart=/bin/true\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    add(root, "a--1", {"bin/a": "", "units/a.service": UNIT}, {"state_directory": True})
    return root


def is_refused(root: Path, code: int, says: bytes) -> None:
    before = snapshot(root / "packages")
    done = packager(root, "activate", "--no-systemd", *host_options(root), "a--1")
    assert done.returncode == code, done.stderr
    assert (
        says in done.stderr
        and b"--units-dir" in done.stderr
        and b"another --root" not in done.stderr
    )
    assert not (root / "active").exists() and not (root.parent / "lib").exists()
    assert snapshot(root / "packages") == before


@pytest.mark.skipif(bool(why_no_mounts("tmpfs")), reason=why_no_mounts("tmpfs"))
@pytest.mark.parametrize("name", ["system", "system/dcos.target.wants"])
def test_a_read_only_file_system(root: Path, name: str) -> None:
    place = root.parent / name
    place.mkdir(parents=True)
    with mounted("tmpfs", "none", place, flags=MS_RDONLY):
        is_refused(root, 74, b"the file system is read-only")


@pytest.mark.parametrize("made", ["file", "dangling link"])
def test_no_directory(root: Path, made: str) -> None:
    place = root.parent / "system"
    if made == "file":
        place.touch()
    else:
        place.symlink_to("nowhere")
    is_refused(root, 78, b"it is no directory")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file immutable")
def test_an_immutable_directory(root: Path) -> None:
    place = root.parent / "system"
    place.mkdir()
    done = subprocess.run(["chattr", "+i", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be made immutable here")
    try:
        is_refused(root, 77, b"lsattr")
    finally:
        subprocess.run(["chattr", "-i", str(place)], check=True)
