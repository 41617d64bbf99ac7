"""What other users of the host can do to a store: read it, and no more."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packager.base.errors import ConfigError, Temporary
from packager.base.ownership import refuse_others_directories
from packager.store import lock
from packager.store.installed import installed_ids
from packager.store.store import Store
from packager.verification.generation_check import is_activating

from tests.support.package_sets import add, ok, run, version

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
HOST = ["--no-systemd", "--units-dir={}/system", "--state-dir={}/lib", "--config-dir={}/etc"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with an active package, below directories that everybody may search."""
    root = tmp_path / "store"
    add(root, "a--1", version(1))
    ok(root, "activate", *(each.format(tmp_path) for each in HOST), "a--1")
    for each in tmp_path.parents:
        if each.owner() == "root" and str(each).startswith("/tmp/"):
            each.chmod(each.stat().st_mode | 0o111)
    tmp_path.chmod(0o755)
    return root


@contextmanager
def being(user: int) -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def holding(path: Path) -> Iterator[None]:
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_open_a_lock_also_one_of_an_older_version(root: Path) -> None:
    locks = [root / "lock", root / "activation.lock"]
    assert [mode(each) for each in locks] == [0o600, 0o600]
    for each in locks:
        each.chmod(0o644)
    ok(root, "gc")
    assert [mode(each) for each in locks] == [0o600, 0o600]


@needs_root
def test_nobody_else_can_hold_a_lock_and_reading_is_as_before(root: Path) -> None:
    with being(NOBODY):
        for name in ("lock", "activation.lock"):
            with pytest.raises(PermissionError):
                (root / name).open()
        assert installed_ids(str(root)) == ["a--1"]
        assert Store(str(root)).verify()[0].differences == []
        assert not is_activating(str(root))
    with holding(root / "activation.lock"), being(NOBODY):
        assert is_activating(str(root))
    with holding(root / "lock"), being(NOBODY):
        assert not is_activating(str(root))


def test_who_holds_a_lock_is_said(root: Path) -> None:
    with holding(root / "lock"):
        with pytest.raises(Temporary, match=rf"\(process {os.getpid()}\)"):
            Store(str(root), lock_wait=0).remove("a--1")
        assert lock.is_locked(str(root / "lock"))
    assert not lock.is_locked(str(root / "lock"))


@needs_root
@pytest.mark.parametrize("words", [["gc"], ["recover"], ["remove", "a--1"], ["check"]])
@pytest.mark.parametrize("foreign", ["store", "."])
def test_a_store_below_another_users_directory_is_refused(
    words: list[str], foreign: str, root: Path
) -> None:
    place = (root.parent / foreign).resolve()
    os.chown(place, NOBODY, NOBODY)
    done = run(root, *words)
    assert done.returncode == 78, done.stderr
    assert f"{place} belongs to " in done.stderr and "chown root" in done.stderr
    assert run(root, "list").returncode == 0  # reading is no risk
    with being(NOBODY):
        refuse_others_directories(str(root))  # one's own, and root's


@needs_root
def test_no_store_is_made_below_another_users_directory(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    done = run(theirs / "new/store", "add", "-", stdin=b"")
    assert done.returncode == 78 and str(theirs) in done.stderr
    assert list(theirs.iterdir()) == []


@needs_root
def test_links_on_the_way_count_and_where_they_lead(tmp_path: Path) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    theirs.mkdir()
    mine.mkdir()
    (theirs / "store").mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    (mine / "to-theirs").symlink_to("../theirs")
    (mine / "to-mine").symlink_to(mine)
    (mine / "of-theirs").symlink_to(".")
    os.chown(mine / "of-theirs", NOBODY, NOBODY, follow_symlinks=False)
    (mine / "loop").symlink_to("loop")
    refuse_others_directories(str(mine / "to-mine/new/store"))
    refuse_others_directories(str(mine / "to-mine/to-mine/../mine/./x"))
    refuse_others_directories(str(mine / "loop/x"))
    for name in ("to-theirs/store", "to-mine/to-theirs/store", "of-theirs/new", "to-theirs"):
        with pytest.raises(ConfigError, match="belongs to"):
            refuse_others_directories(str(mine / name))
