"""Stores in places that are made for something else: default ACLs, a colon in the path."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest
from packager.base.errors import ConfigError, Denied, InputOutputError, from_os_error

from tests.support.host_packages import activate, add, host_options
from tests.support.packager_command import packager
from tests.support.profile_host import Host as ProfileHost
from tests.support.profile_host import configuration, profile, template

DEFAULT_ACL = "system.posix_acl_default"
# acl_ea.h: version 2; tag, permissions, id of user::rwx user:1:rwx group::--- mask::rwx other::---
ENTRIES = [(1, 7, -1), (2, 7, 1), (4, 0, -1), (16, 7, -1), (32, 0, -1)]
PRIVATE = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *each) for each in ENTRIES)
LISTS = {DEFAULT_ACL, "system.posix_acl_access"}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A directory in which what is made is for its owner and the user 1 alone."""
    place = tmp_path / "private"
    place.mkdir()
    try:
        os.setxattr(place, DEFAULT_ACL, PRIVATE)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error.strerror}")
    return place


def test_a_default_acl_makes_no_store_private(private: Path) -> None:
    root = private / "store"
    add(root, "a--1", {"bin/a": "#!/bin/sh\n", "etc/deep/down/a.conf": "a"})
    activate(root, "a--1")
    for path in (root, *root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink() or name.startswith("staging") or name == "reserve":
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if name in ("lock", "activation.lock"):
            assert mode == 0o600
            continue
        assert mode & 0o004 and (not path.is_dir() or mode == 0o755), f"{name}: {mode:04o}"
        if path.is_dir():
            assert not LISTS & set(os.listxattr(path)), name
        assert mode & 0o022 == 0, "the user of the ACL may write"


def test_provisioner_s_runs_neither(private: Path) -> None:
    host = ProfileHost(private)
    host.add("a--1", {"bin/a": "a"})
    host.applied(profile(packages=["a"], configuration=configuration(template("etc/x", "x"))))
    runs = host.root / "provisioner/runs"
    assert stat.S_IMODE((runs / "1").stat().st_mode) == 0o755
    assert stat.S_IMODE((runs / "1/profile.json").stat().st_mode) == 0o600
    assert not LISTS & set(os.listxattr(runs / "1"))


def test_a_store_of_an_older_version_is_mended(private: Path) -> None:
    root = private / "store"
    root.mkdir()
    for name in ("packages", "manifests", "generations", "history"):
        (root / name).mkdir()
        assert stat.S_IMODE((root / name).stat().st_mode) & 0o007 == 0
    add(root, "a--1", {"bin/a": "a"})
    for name in ("packages", "manifests", "generations", "history", "packages/a--1"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o755, name
    (root / "history").chmod(0o750)  # somebody's own decision stays
    add(root, "b--1", {"bin/b": "b"})
    assert stat.S_IMODE((root / "history").stat().st_mode) == 0o750


def test_a_colon_in_the_path(tmp_path: Path) -> None:
    """PATH would have two other directories in the place of the store's."""
    root = tmp_path / "a:b"
    done = packager(root, "add", "--id=a--1", "-", stdin=b"")
    assert done.returncode == 78 and b"colon" in done.stderr and not root.exists()
    root.mkdir()
    add(root, "a--1", {"bin/a": "a"})
    for words in (["activate", "a--1"], ["activate", "--add", "a--1"]):
        done = packager(root, words[0], "--no-systemd", *host_options(root), *words[1:])
        assert done.returncode == 78 and b"--root without" in done.stderr
    assert not (root / "active").exists()


@pytest.mark.parametrize(
    ("number", "path", "kind", "says", "root_helps"),
    [
        ("EROFS", "/store/x", InputOutputError, "mount the file system writable", True),
        ("EROFS", "/etc/systemd/system/x", InputOutputError, "mount the file system", False),
        ("EACCES", "packages", Denied, "run as a user who may", True),
        ("EACCES", "/etc/packager/config.toml", Denied, "run as a user who may", False),
        ("EPERM", "/store/x", Denied, "lsattr", True),
        ("ENOENT", "/store2/x", ConfigError, "taken away", False),
        ("ENOSPC", "/store/x", InputOutputError, "free some space", False),
        ("ENOSYS", "x", InputOutputError, "seccomp", False),
        ("EXDEV", "x", ConfigError, "one file system", False),
        ("ENAMETOOLONG", "/store/x", ConfigError, "shorter", True),
    ],
)
def test_another_root_is_advised_only_where_it_helps(
    number: str, path: str, kind: type[Exception], says: str, root_helps: bool
) -> None:
    import errno

    code = getattr(errno, number)
    error = from_os_error(OSError(code, os.strerror(code), path), store="/store")
    assert type(error) is kind and says in str(error)
    assert ("another --root" in str(error)) is root_helps
    elsewhere = from_os_error(OSError(code, os.strerror(code), path), "/etc/x")
    assert "--root" not in str(elsewhere)
