"""What the store does for those who mean well, and for two at once."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packager.base.errors import (
    Conflict,
    DataError,
    Denied,
    InputOutputError,
    NotFound,
    Temporary,
    UsageError,
)
from packager.package.package_id import flaw, parse_id
from packager.store.installed import installed_ids
from packager.store.store import Added, Store

from tests.support.tar_archives import (
    COMPRESSORS,
    END,
    GOOD,
    directory,
    hard_link,
    header,
    member,
    snapshot,
    symlink,
)

PACKAGER = Path(sys.executable).with_name("packager")
OTHER = member("f", b"other") + END


def add(root: Path, content: bytes = GOOD, package_id: str = "a--1", **options: Any) -> Added:
    return Store(str(root)).add(
        io.BytesIO(content),
        package_id=package_id,
        **options,
    )


@pytest.mark.parametrize(
    "text", ["a--1", "a-b--1.0", "@+_--:.", "A.b+c@d--1_2:3", "a-b-c--0", "a--" + "1" * 252]
)
def test_ids(text: str) -> None:
    assert str(parse_id(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a-1", "--", "a--", "--1", "a--1--2", "a---1", "a--1-2", "a--1\n", "\na--1"),
        *("a--1 ", "a/b--1", "../a--1", "a--../x", "a..b--1", "a--1..2", ".a--1", "-a--1"),
        *("é--1", "a--é", "a--\u0661", "a--1\0", "a\0--1", "a--" + "1" * 253),
    ],
)
def test_what_is_not_an_id(text: str) -> None:
    assert flaw(text)
    with pytest.raises(UsageError):
        parse_id(text)


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_add_from_a_stream(compression: str, tmp_path: Path) -> None:
    """A pipe, read in odd pieces: nothing seeks."""
    content = COMPRESSORS[compression](GOOD)
    done = subprocess.run(
        [PACKAGER, "--root", tmp_path / "root", "add", "--id", "a--1", "-"],
        input=content,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tree = tmp_path / "root/packages/a--1"
    assert (tree / "bin/hi").read_text() == "#!/bin/sh\necho hello\n"
    assert (tree / "lib/deep/er/data").read_bytes() == b"data" * 1000
    record = Store(str(tmp_path / "root")).show("a--1")
    assert record.archive_sha256 == hashlib.sha256(content).hexdigest()
    assert record.archive_size == len(content)
    assert record.files == 3
    assert record.pkginfo == {"requires": []}


def test_the_tree_is_the_archives_and_nothing_more(tmp_path: Path) -> None:
    root, plain = tmp_path / "root", tmp_path / "plain"
    add(root)
    plain.mkdir()
    subprocess.run(["tar", "-x", "-C", plain], input=GOOD, check=True)
    assert snapshot(root / "packages/a--1") == snapshot(plain)


@pytest.mark.parametrize(
    "umask",
    [
        *(0o000, 0o022, 0o077),
        pytest.param(
            0o777,
            marks=pytest.mark.skipif(
                os.geteuid() != 0, reason="only root can enter what this makes"
            ),
        ),
    ],
)
def test_modes_do_not_depend_on_the_umask(umask: int, tmp_path: Path) -> None:
    modes = {"f644": 0o644, "f777": 0o777, "f600": 0o600, "f444": 0o444, "f000": 0, "f711": 0o711}
    archive = b"".join(member(name, b"x", mode=mode) for name, mode in modes.items())
    archive += directory("private", 0o700) + directory("shared", 0o777) + member("new/f", b"x")
    before = os.umask(umask)
    try:
        add(tmp_path / "root", archive + END)
    finally:
        os.umask(before)
    found = {name: mode for name, (_, mode, _) in snapshot(tmp_path / "root/packages/a--1").items()}
    assert found == {
        "f644": 0o644, "f777": 0o755, "f600": 0o600, "f444": 0o644, "f000": 0o600, "f711": 0o711,
        "private": 0o700, "shared": 0o755, "new": 0o755, "new/f": 0o644,
    }  # fmt: skip
    for name in ("root", "root/packages", "root/packages/a--1", "root/manifests"):
        assert (tmp_path / name).stat().st_mode & 0o7777 == 0o755
    assert Store(str(tmp_path / "root")).verify()[0].differences == []


def test_a_directory_of_version_7_tar_is_one(tmp_path: Path) -> None:
    add(tmp_path, header("d/", kind=b"\0", magic=b"\0" * 8, mode=0o755) + member("d/f", b"x") + END)
    assert (tmp_path / "packages/a--1/d/f").read_bytes() == b"x"


def test_setgid_directories_above_leave_no_mark(tmp_path: Path) -> None:
    tmp_path.chmod(0o2777)
    add(tmp_path / "root")
    assert Store(str(tmp_path / "root")).verify()[0].differences == []


def test_links_of_packages_built_elsewhere(tmp_path: Path) -> None:
    """pkgpanda's packages link to where pkgpanda puts them; hard links share a file's content."""
    archive = (
        member("usr/java/bin/java", b"java", mode=0o755)
        + symlink("bin/java", "/opt/mesosphere/packages/java--8/usr/java/bin/java")
        + symlink("lib/libx.so", "libx.so.1")
        + symlink("lib/later", "../etc/not-there")
        + symlink("bin/back", "../lib/../bin/./java")
        + hard_link("bin/javac", "usr/java/bin/java")
        + END
    )
    add(tmp_path, archive)
    tree = tmp_path / "packages/a--1"
    assert (tree / "bin/javac").read_bytes() == b"java"
    assert str((tree / "bin/java").readlink()).startswith("/opt/mesosphere/packages/")
    assert Store(str(tmp_path)).verify()[0].differences == []


def test_the_same_content_again_is_success(tmp_path: Path) -> None:
    """However it is compressed, and whatever order its members have."""
    assert add(tmp_path).changed is True
    before = snapshot(tmp_path)
    for make in COMPRESSORS.values():
        assert add(tmp_path, make(GOOD)).changed is False
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("top", "warned"), [("a--1", True), ("a-1", True), ("a", True), ("b", False)]
)
def test_an_archive_of_the_directory_itself_is_warned_of(
    tmp_path: Path, top: str, warned: bool
) -> None:
    told: list[str] = []
    archive = directory(top) + member(f"{top}/bin/x", b"x") + END
    Store(str(tmp_path)).add(
        io.BytesIO(archive), package_id="a--1", emit=lambda event, /, **fields: told.append(event)
    )
    assert ("warning" in told) == warned


def test_other_content_is_a_conflict(tmp_path: Path) -> None:
    add(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(Conflict, match="different content"):
        add(tmp_path, OTHER)
    assert snapshot(tmp_path) == before


def test_promises_about_the_archive(tmp_path: Path) -> None:
    digest = hashlib.sha256(GOOD).hexdigest()
    with pytest.raises(DataError, match="SHA-256"):
        add(tmp_path, sha256="0" * 64)
    with pytest.raises(DataError, match="bytes"):
        add(tmp_path, size=len(GOOD) + 1)
    assert installed_ids(str(tmp_path)) == []
    add(tmp_path, sha256=digest.upper(), size=len(GOOD))


def test_where_the_id_comes_from(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for hint in ("a--1.tar.xz", "b--1.tgz", "c--1.tar", "d--1.0.tar.zst"):
        store.add(io.BytesIO(GOOD), name_hint=hint)
    assert installed_ids(str(tmp_path)) == ["a--1", "b--1", "c--1", "d--1.0"]
    for bad in (None, "a--2.zip", "a.tar.xz", "a--1\n.tar", "../a--3.tar"):
        with pytest.raises(UsageError):
            store.add(io.BytesIO(GOOD), name_hint=bad)


def test_pkginfo_is_checked_and_unknown_keys_are_told(tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    info = {
        "requires": ["b", {"name": "c", "variant": None}],
        "environment": {"A_B": "$(id)\n"},
        "sysctl": {"svc": {"vm.max": "1"}},
        "state_directory": True,
        "username": "dcos_a",
        "group": "users",
        "variant": "x",
        "docker": 1,
    }
    archive = member("pkginfo.json", json.dumps(info).encode()) + END
    add(tmp_path, archive, emit=lambda event, **fields: told.append((event, fields)))
    assert [(event, "'docker'" in str(fields["message"])) for event, fields in told] == [
        ("warning", True)
    ]
    assert Store(str(tmp_path)).show("a--1").pkginfo == info


@pytest.mark.parametrize(
    "info",
    [
        {"requires": "b"}, {"requires": ["b--1"]}, {"requires": [1]}, {"requires": [{"name": "b"}]},
        {"environment": []}, {"environment": {"A-B": "x"}}, {"environment": {"A\nB": "x"}},
        {"environment": {"A": ["x"]}}, {"environment": {"A": "a\0b"}}, {"sysctl": {"a": "b"}},
        {"sysctl": {"a": {"b": "1\n2"}}}, {"state_directory": "yes"}, {"username": "root"},
        {"username": "dcos_x\n"}, {"group": "users"}, {"username": "dcos_x", "group": "A B"},
        {"variant": 1},
    ],
)  # fmt: skip
def test_pkginfo_of_the_wrong_type(info: dict[str, object], tmp_path: Path) -> None:
    key = list(info)[-1]
    with pytest.raises(DataError, match=rf"pkginfo\.json: {key}: "):
        add(tmp_path, member("pkginfo.json", json.dumps(info).encode()) + END)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', "", "\ufeff{}", '{"a": 1}x'])
def test_pkginfo_that_is_not_json(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pkginfo\.json"):
        add(tmp_path, member("pkginfo.json", text.encode()) + END)


def test_a_link_named_pkginfo_is_not_read(tmp_path: Path) -> None:
    add(tmp_path, member("x", b"not json") + symlink("pkginfo.json", "x") + END)
    assert Store(str(tmp_path)).show("a--1").pkginfo is None


def test_verify_finds_any_change(tmp_path: Path) -> None:
    def content(tree: Path) -> None:
        data = tree / "lib/deep/er/data"
        data.write_bytes(b"d@ta" + data.read_bytes()[4:])

    def target(tree: Path) -> None:
        (tree / "bin/hi").unlink()
        (tree / "bin/hi").symlink_to("hell0")

    def kind(tree: Path) -> None:
        (tree / "bin/hi").unlink()
        (tree / "bin/hi").write_bytes((tree / "bin/hello").read_bytes())

    def fifo(tree: Path) -> None:
        (tree / "pkginfo.json").unlink()
        os.mkfifo(tree / "pkginfo.json")

    changes: dict[str, Callable[[Path], object]] = {
        "lib/deep/er/data": content,
        "bin/hi": target,
        "bin/hi ": kind,
        "pkginfo.json": fifo,
        "pkginfo.json ": lambda tree: (tree / "pkginfo.json").unlink(),
        "bin/hello": lambda tree: (tree / "bin/hello").chmod(0o4755),
        "bin/hello ": lambda tree: (tree / "bin/hello").write_text("longer than it was before"),
        "bin": lambda tree: (tree / "bin").chmod(0o777),
        "bin/extra": lambda tree: (tree / "bin/extra").touch(),
        "empty": lambda tree: (tree / "empty").mkdir(),
        "": lambda tree: tree.chmod(0o700),
    }
    for path, change in changes.items():
        root = tmp_path / f"root{len(list(tmp_path.iterdir()))}"
        add(root)
        store = Store(str(root))
        assert store.verify()[0].differences == []
        change(root / "packages/a--1")
        assert [d.path for d in store.verify()[0].differences] == [path.strip()]
        with pytest.raises(UsageError):
            store.verify(["a"])
        with pytest.raises(NotFound):
            store.verify(["a--1", "b--1"])


def test_every_changed_byte_of_a_record_is_found(tmp_path: Path) -> None:
    add(tmp_path, member("f", b"f") + END)
    record = tmp_path / "manifests/a--1"
    good = record.read_bytes()
    for at in range(len(good)):
        record.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert Store(str(tmp_path)).verify()[0].differences
    for at in range(len(good)):
        record.write_bytes(good[:at])
        assert Store(str(tmp_path)).verify()[0].differences
    record.unlink()
    assert "is gone" in Store(str(tmp_path)).verify()[0].differences[0].reason


def test_remove(tmp_path: Path) -> None:
    add(tmp_path)
    store = Store(str(tmp_path))
    store.remove("a--1")
    assert list((tmp_path / "manifests").iterdir()) == []
    for call in (store.remove, store.show):
        with pytest.raises(NotFound):
            call("a--1")
        with pytest.raises(UsageError):
            call("../packages")
    assert add(tmp_path, OTHER).changed


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    root = tmp_path / "none"
    assert installed_ids(str(root)) == []
    assert Store(str(root)).verify() == []
    with pytest.raises(NotFound):
        Store(str(root)).show("a--1")
    with pytest.raises(NotFound):
        Store(str(root)).remove("a--1")
    assert not root.exists()


def test_what_is_no_package_is_not_listed(tmp_path: Path) -> None:
    add(tmp_path)
    packages = tmp_path / "packages"
    for name in ("b--2_tmp x", "plain", ".hidden--1", "a--1--2"):
        (packages / name).mkdir()
    (packages / "file--1").touch()
    (packages / "link--1").symlink_to("a--1")
    (packages / os.fsdecode(b"caf\xe9--1")).mkdir()
    assert installed_ids(str(tmp_path)) == ["a--1"]


def test_the_wait_for_the_lock_is_bounded(tmp_path: Path) -> None:
    add(tmp_path)
    with subprocess.Popen(
        ["flock", str(tmp_path / "lock"), "sh", "-c", "echo held; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        with pytest.raises(Temporary, match="held"):
            Store(str(tmp_path), lock_wait=0.2).remove("a--1")
        assert time.monotonic() - began < 5
        # Readers never wait.
        assert Store(str(tmp_path), lock_wait=0).show("a--1").id == "a--1"
        assert Store(str(tmp_path), lock_wait=0).verify()[0].differences == []
        assert installed_ids(str(tmp_path)) == ["a--1"]


def test_a_living_writer_keeps_its_directory(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with store.staging() as place:
        Path(place, "download").write_bytes(b"half")
        Store(str(tmp_path)).recover()
        add(tmp_path)
        assert Path(place, "download").read_bytes() == b"half"
    assert not Path(place).exists()


def test_a_dead_writers_directory_is_swept(tmp_path: Path) -> None:
    script = (
        "import os, sys; from packager.store.store import Store\n"
        "with Store(sys.argv[1]).staging() as place:\n"
        "    os.makedirs(place + '/tree/a/b'); os.symlink('/etc', place + '/tree/etc')\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert done.returncode == 9
    assert len(list((tmp_path / "staging").iterdir())) == 1
    add(tmp_path)
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_root_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # root may write everywhere
        os.seteuid(65534)
    try:
        with pytest.raises(Denied, match="Permission denied"):
            add(tmp_path / "root")
    finally:
        os.seteuid(user)


def test_a_full_disk(tmp_path: Path) -> None:
    """A real one: the process's own limit on file sizes, which ends in EFBIG."""
    archive = tmp_path / "a--1.tar"
    archive.write_bytes(member("big", bytes(1 << 20)) + END)
    done = subprocess.run(
        ["prlimit", "--fsize=65536", PACKAGER, "--root", tmp_path / "root", "add", archive],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == InputOutputError.exit_code
    assert "limit on file sizes" in done.stderr
    assert snapshot(tmp_path / "root/staging") == {}
    assert installed_ids(str(tmp_path / "root")) == []
