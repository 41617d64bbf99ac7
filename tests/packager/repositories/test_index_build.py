"""`packager index`: the same directory gives the same index, at the cost of what has changed."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from packager.repositories import index_build
from packager.repositories.index_build import Broken, Indexed, index, opened

from tests.support.packager_command import packager, tar
from tests.support.repository_site import archive, put


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    put(tmp_path / "repo", "b--2", requires=["a"])
    put(tmp_path / "repo" / "deep" / "er", "a--1", description="the first")
    return tmp_path / "repo"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once; nobody changes them within a clock's tick here."""
    monkeypatch.setattr(index_build, "MIN_AGE_SECONDS", -10.0)


def make(directory: Path) -> Indexed:
    with opened(str(directory)) as top:
        return index(top, lambda event, /, **fields: None)


def documents(directory: Path) -> list[dict[str, object]]:
    return list(json.loads((directory / "index.json").read_bytes())["packages"])


def test_what_an_index_says(directory: Path) -> None:
    first = make(directory)
    assert (first.packages, first.read, first.changed) == (2, 2, True)
    a, b = documents(directory)
    assert (a["id"], a["path"]) == ("a--1", "deep/er/a--1.tar")
    assert a["pkginfo"] == {"description": "the first"}
    assert a["size"] == (directory / "deep/er/a--1.tar").stat().st_size
    assert b["id"] == "b--2"


def test_it_is_the_same_wherever_and_whenever(directory: Path, tmp_path: Path) -> None:
    content = make(directory).content
    other = tmp_path / "other"
    put(other / "deep" / "er", "a--1", description="the first")
    put(other, "b--2", requires=["a"])
    assert make(other).content == content


@pytest.mark.usefixtures("settled")
def test_unchanged_archives_are_not_read_again(directory: Path) -> None:
    make(directory)
    before = (directory / "index.json").stat()
    again = make(directory)
    assert (again.read, again.changed) == (0, False)
    after = (directory / "index.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.usefixtures("settled")
def test_changed_archives_are(directory: Path) -> None:
    make(directory)
    path = put(directory, "b--2", requires=["c"])  # the same size
    os.utime(path, ns=(1, 1))
    again = make(directory)
    assert (again.read, again.changed) == (1, True)
    assert documents(directory)[1]["pkginfo"] == {"requires": ["c"]}
    path.unlink()
    assert (make(directory).packages, len(documents(directory))) == (1, 1)


def test_fresh_archives_are_read_again(directory: Path) -> None:
    make(directory)
    assert make(directory).read == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"cache":1,"packages":[1]}', b"\xff", b"[" * 99999]
)
def test_a_damaged_memory_costs_only_time(directory: Path, content: bytes) -> None:
    first = make(directory)
    (directory / index_build.CACHE).write_bytes(content)
    again = make(directory)
    assert (again.read, again.content) == (2, first.content)


def test_broken_archives_are_all_named_and_refused(directory: Path) -> None:
    make(directory)
    before = (directory / "index.json").read_bytes()
    (directory / "c--1.tar").write_bytes(b"no archive")
    (directory / "d--1.tar.xz").write_bytes(archive("d--1")[:700])
    (directory / "e--1.tar").write_bytes(tar(**{"..__x": b"out"}))
    (directory / "f--1.tar").write_bytes(tar(pkginfo_json=b"[]"))
    (directory / "noid.tar").write_bytes(archive("noid--1"))
    (directory / "b--2.tar.zst").write_bytes(archive("b--2"))
    os.mkfifo(directory / "g--1.tar")
    with pytest.raises(Broken) as caught:
        make(directory)
    named = {reason.partition(":")[0] for reason in caught.value.reasons}
    assert named == {
        *("c--1.tar", "d--1.tar.xz", "e--1.tar", "f--1.tar", "noid.tar", "b--2.tar.zst"),
        "g--1.tar",
    }
    assert (directory / "index.json").read_bytes() == before

    said = packager(directory, "index", directory)
    assert said.returncode == 65
    assert all(name in said.stderr.decode() for name in named)
    assert said.stdout == b""


@pytest.mark.usefixtures("settled")
def test_what_is_nobodys_business(directory: Path) -> None:
    (directory / ".hidden--1.tar").write_bytes(b"x")
    (directory / "README").write_bytes(b"x")
    (directory / "loop").symlink_to(directory)
    put(directory / "metadata", "m--1")
    put(directory / ".git", "g--1")
    assert make(directory).packages == 2
    assert sorted(each.name for each in directory.iterdir() if ".json" in each.name) == [
        index_build.CACHE,
        "index.json",
    ]


def test_an_empty_directory_is_an_empty_repository(tmp_path: Path) -> None:
    assert make(tmp_path).packages == 0
    assert documents(tmp_path) == []


def test_one_writer_at_a_time(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert packager(directory, "index", directory).returncode == 75
    finally:
        os.close(fd)


def test_the_command(directory: Path, tmp_path: Path) -> None:
    made = json.loads(packager(tmp_path, "index", "--format=json", directory).stdout)
    assert (made["packages"], made["read"], made["changed"], made["signed"]) == (2, 2, True, None)
    assert packager(tmp_path, "index", directory).stdout.startswith(b"index:  2 packages")
    assert packager(tmp_path, "index", tmp_path / "none").returncode == 66
    assert packager(tmp_path, "index", directory / "index.json").returncode == 78
