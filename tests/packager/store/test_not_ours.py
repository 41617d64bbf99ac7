"""What is in the store's directories and is not the store's: mounts, immutable files. No command
deletes what is mounted, and what can't be deleted is said with its path."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.base.durable_files import ENTER, remove_tree
from packager.base.mounts import mounts_below

from tests.support.package_sets import add, ok, run, version
from tests.support.tar_archives import snapshot

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
HOST = ["--no-systemd", "--units-dir={}/system", "--state-dir={}/lib", "--config-dir={}/etc"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with a package that is active, one that is not, and the remains of a command; each
    tree has a place to mount something at."""
    root = tmp_path / "a store"
    for number in (1, 2, 3):
        add(root, f"a--{number}", version(number))
    add(root, "db--1", {"bin/db": "db", "data/x": "x"})
    (tmp_path / "db--1.tar").write_bytes(b"")
    for number in (1, 2, 3):
        ok(root, "activate", *options(root), f"a--{number}")
    return root


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    place = tmp_path / "precious"
    (place / "deep").mkdir(parents=True)
    (place / "deep/rows").write_text("rows")
    return place


def options(root: Path) -> list[str]:
    return [each.format(root.parent) for each in HOST]


def dead(root: Path) -> Path:
    """A killed writer's directory in staging."""
    place = root / "staging/1-dead/tree/data"
    place.mkdir(parents=True)
    (place.parent / "x").write_text("x")
    return place


def unfinished(root: Path) -> Path:
    """A tree of links that a killed activation has left."""
    place = root / "generations/9/etc"
    place.mkdir(parents=True)
    return place


def package(root: Path) -> Path:
    return root / "packages/db--1/data"


def whole_package(root: Path) -> Path:
    return root / "packages/db--1"


def file_of_package(root: Path) -> Path:
    return root / "packages/db--1/bin/db"


def old_links(root: Path) -> Path:
    return sorted(each for each in root.glob("generations/[0-9]*/etc"))[0]


def spare_links(root: Path) -> Path:
    return (
        root / "generations/spare/etc" if (root / "generations/spare").exists() else old_links(root)
    )


CASES: list[tuple[list[str], Callable[[Path], Path]]] = [
    (["remove", "db--1"], package),
    (["remove", "db--1"], whole_package),
    (["remove", "db--1"], file_of_package),
    (["gc", "--keep=1"], package),
    (["gc", "--keep=1"], old_links),
    (["swap", "HOST", "a--1"], old_links),
    (["plan", "swap", "a--1"], old_links),
    (["recover"], dead),
    (["recover"], unfinished),
    (["remove", "db--1"], dead),
    (["add", "ARCHIVE"], unfinished),
    (["repair", "HOST", "--from=ARCHIVE", "db--1"], package),
]


@needs_root
@pytest.mark.parametrize(("words", "where"), CASES)
def test_nothing_changes_while_something_is_mounted_in_what_would_go(
    words: list[str], where: Callable[[Path], Path], root: Path, precious: Path
) -> None:
    place = where(root)
    archive = root.parent / "db--1.tar"
    subprocess.run(
        ["tar", "-cf", archive, "-C", root / "packages/db--1", "bin", "data"], check=True
    )
    if words[0] == "repair":
        (root / "packages/db--1/data/x").unlink()
    source = precious if place.is_dir() else precious / "deep/rows"
    before, theirs = snapshot(root), snapshot(precious)
    told = [
        part
        for word in words
        for part in (options(root) if word == "HOST" else [word.replace("ARCHIVE", str(archive))])
    ]
    done = run(root, *told, mounts={str(place): source})
    assert snapshot(precious) == theirs
    assert snapshot(root) == before, done.stderr
    assert done.returncode == 78, done.stderr
    assert str(place) in done.stderr and "umount" in done.stderr
    assert done.stdout == ""
    assert run(root, *told).returncode == 0  # once it is unmounted


@needs_root
def test_a_mount_that_harms_nothing_is_no_hindrance(root: Path, precious: Path) -> None:
    there = {str(package(root)): precious}
    assert run(root, "remove", "a--3", mounts=there).returncode == 73  # active: its own reason
    assert run(root, "swap", *options(root), "a--1", mounts=there).returncode == 0
    assert run(root, "recover", mounts=there).returncode == 0
    packages = {str(root / "packages"): root / "packages"}  # a file system of its own
    assert run(root, "list", mounts=packages).returncode == 0
    assert run(root, "recover", mounts=packages).returncode == 0


@needs_root
def test_what_deletes_a_tree_never_enters_a_mount(tmp_path: Path, precious: Path) -> None:
    """Also without a look beforehand: the last line of defence."""
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "z").write_text("z")
    theirs = snapshot(precious)
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None)
        libc.unshare(0x20000)
        libc.mount(None, b"/", None, (1 << 18) | (1 << 14), None)
        libc.mount(os.fsencode(precious), os.fsencode(tree / "a/b"), None, 1 << 12, None)
        try:
            remove_tree("tree", os.open(tmp_path, ENTER))
        except OSError as error:
            os._exit(0 if error.filename == "tree/a/b" else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert snapshot(precious) == theirs
    assert sorted(str(each.relative_to(tree)) for each in tree.rglob("*")) == ["a", "a/b"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1))
def test_the_kernels_escapes(name: str) -> None:
    escaped = b"".join(
        b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in name.encode()
    )
    line = b"65 44 254:0 / /store/" + escaped + b"/data rw,relatime - ext4 /dev/vda rw\n"
    assert mounts_below(line, [b"/store/" + name.encode()]) == [f"/store/{name}/data".encode()]
    assert mounts_below(line, [f"/store/{name}2".encode(), f"/store/{name}/data/x".encode()]) == []


def set_immutable(path: Path, flag: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, 0x40086602, flag.to_bytes(8, "little"))  # FS_IOC_SETFLAGS
    finally:
        os.close(fd)


@pytest.fixture(params=["of the package", "of somebody else"])
def immutable(root: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file in the tree of db--1 that not even root can delete, wherever it is moved to; its path
    there."""
    path = root / "packages/db--1/data/x"
    if request.param != "of the package":
        path = path.with_name("y")
        path.write_text("y")
    try:
        set_immutable(path, 0x10)  # FS_IMMUTABLE_FL
    except OSError:
        pytest.skip("no file can be made immutable here")
    yield path.relative_to(root / "packages")
    for found in root.rglob(path.name):
        set_immutable(found, 0)


@pytest.mark.parametrize("words", [["remove", "db--1"], ["gc", "--keep=1"]])
def test_what_can_not_be_deleted_is_said(words: list[str], root: Path, immutable: Path) -> None:
    done = run(root, *words)
    assert done.returncode == 77, done.stderr
    left = next(root.glob(f"staging/*/{immutable}"))
    assert f"{left} can't be deleted: Operation not permitted" in done.stderr
    assert "chattr" in done.stderr
    assert not (root / "packages/db--1").exists()
    again = run(root, "recover", "--format=json")
    assert again.returncode == 77 and str(left) in again.stderr
    assert "kill" not in again.stderr + again.stdout
    assert json.loads(again.stdout) == {"changed": False, "found": []}
    warned = run(root, "deactivate", *options(root), "a")  # which is not kept from its own work
    assert warned.returncode == 0 and f"warning: {left} can't be deleted" in warned.stderr
    assert left.exists()
    assert not list(root.glob("kept/*"))
