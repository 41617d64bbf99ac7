"""A full disk, at every fill level: no room at all at first, then one step more until it suffices.

Whatever the room: a command does what it says, or ends with 74 and the remedy and has changed
nothing; readers go on; when room is made the next command finds a sound store; nothing is lost.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packager.base.errors import InputOutputError

from tests.packager.activation.test_kills import age
from tests.support.package_sets import Content, add, archive, check, look, ok, run, tidy

PAGE = 4096
BIG = 4 * PAGE


class Disk:
    """A file system of its own, and how much room is left on it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def leave(self, steps: int | None) -> None:
        """Leave room for `steps` more blocks or files; None: plenty."""
        raise NotImplementedError


class Pages(Disk):
    """A tmpfs without pages for data."""

    def leave(self, steps: int | None) -> None:
        status = os.statvfs(self.place)
        used = status.f_blocks - status.f_bfree
        pages = 16384 if steps is None else used + steps
        # No page at all would be no limit at all.
        remount(self.place, f"size={max(pages, 1) * PAGE}")


class Inodes(Disk):
    """A tmpfs that can't hold more files, directories or links."""

    def leave(self, steps: int | None) -> None:
        status = os.statvfs(self.place)
        used = status.f_files - status.f_ffree
        remount(self.place, f"nr_inodes={16384 if steps is None else used + steps}")


class Blocks(Disk):
    """A real disk's file system (ext4), filled by one file."""

    def leave(self, steps: int | None) -> None:
        ballast = self.place / "ballast"
        ballast.unlink(missing_ok=True)
        if steps is None:
            return
        os.sync()
        fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        try:
            size = 0
            while (status := os.statvfs(self.place)).f_bavail > steps:
                wanted = (status.f_bavail - steps) * status.f_frsize
                os.posix_fallocate(fd, size, wanted)
                size += wanted
        finally:
            os.close(fd)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


@pytest.fixture(params=[Pages, Inodes, Blocks])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    words = ["-t", "tmpfs", "-o", "size=64m,nr_inodes=16384", "none"]
    if request.param is Blocks:
        image = tmp_path / "image"
        image.touch()
        os.truncate(image, 8 << 20)
        made = shutil.which("mkfs.ext4") and subprocess.run(
            ["mkfs.ext4", "-q", "-b", str(PAGE), "-m", "0", "-N", "2048", image], check=False
        )
        if not made or made.returncode != 0:
            pytest.skip("there is no mkfs.ext4 to make a small disk with")
        words = ["-o", "loop", str(image)]
    mounted = subprocess.run(["mount", *words, place], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield request.param(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def version(number: int) -> dict[str, Content]:
    long = "/".join(["d" * 100] * 2)  # a link to it needs room for its target
    return {
        **{f"bin/a{n}": str(number) for n in range(3)},
        f"lib/{long}/{number}": "x",
        "etc/big": str(number) * BIG,
    }


def packages(root: Path) -> None:
    for number in (1, 2):
        add(root, f"a--{number}", version(number))
    add(root, "unused--1", {"bin/unused": "x" * BIG})


def one(root: Path) -> None:
    packages(root)
    ok(root, "activate", "a--1")


def two(root: Path) -> None:
    one(root)
    ok(root, "swap", "a--2")
    age(root)


SCENES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "add": (one, ["add", "--id=new--1", "-"]),
    "the first activate": (packages, ["activate", "a--1"]),
    "swap": (one, ["swap", "a--2"]),
    "rollback": (two, ["rollback"]),
    "gc": (two, ["gc", "--keep=1"]),
    "remove": (one, ["remove", "unused--1"]),
}
NEW = archive({"bin/new": "n" * BIG, "lib/new/er": "n"})
MAKES_ROOM = ("gc", "remove")  # and must not need any
NEEDS_ROOM = ("add", "the first activate", "swap")


def state(root: Path) -> tuple[dict[str, str], list[str], object]:
    told = json.loads(ok(root, "history", "--format=json"))
    history = [(each["generation"], each["active"]) for each in told["generations"]]
    return look(root), sorted(each.name for each in (root / "packages").iterdir()), history


@pytest.mark.parametrize("scene", SCENES)
def test_every_fill_level(disk: Disk, tmp_path: Path, scene: str) -> None:
    prepare, words = SCENES[scene]
    model, root = tmp_path / "model", disk.place / "store"
    prepare(model)
    old, new, failed = state(model), None, 0
    steps = 0
    while new is None:
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", model, root], check=True)
        disk.leave(steps)
        result = run(root, *words, stdin=NEW)
        assert "Traceback" not in result.stderr
        if result.returncode != 0:
            failed += 1
            assert result.returncode == InputOutputError.exit_code, result.stderr
            assert "No space left on device: free some space" in result.stderr, result.stderr
            assert result.stderr.startswith("packager: "), result.stderr
            assert state(root) == old, f"room for {steps}"
            assert scene not in MAKES_ROOM, f"{result.stderr}: with room for {steps}"
        disk.leave(None)
        if result.returncode == 0:
            new = state(root)
        else:
            assert run(root, *words, stdin=NEW).returncode == 0
        ok(root, "recover")
        check(root)
        tidy(root)
        steps += 1
        assert steps < 200, result.stderr
    assert new != old
    print(f"{scene}, {type(disk).__name__}: {steps} levels, refused at {failed} of them")
    assert failed > 0 or scene not in NEEDS_ROOM
