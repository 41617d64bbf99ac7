"""What somebody has put into the store's trees, or changed there, outlives the trees."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kill_points import counting, doing, points, why_no_strace
from tests.support.package_sets import archive, ok, run, tidy, version

FILES = {**version(1), "etc/a.conf": "port=1\n", "var/keep": "", "etc/link": ("link", "a.conf")}
HOST = ["--no-systemd", "--units-dir={}/system", "--state-dir={}/lib", "--config-dir={}/etc"]


def build(root: Path) -> Path:
    """A store with a package that is active, and its archive beside it."""
    file = root.parent / "a--1.tar"
    file.write_bytes(archive(FILES))
    ok(root, "add", str(file))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path / "store")


def options(root: Path) -> list[str]:
    return [each.format(root.parent) for each in HOST]


def repair(root: Path) -> list[str]:
    return ["repair", *options(root), f"--from={root.parent}/a--1.tar", "a--1"]


def touch(root: Path) -> dict[str, str]:
    """Change the package as people and programs do; what is to be kept, with its content."""
    tree = root / "packages/a--1"
    (tree / "var/data/deep").mkdir(parents=True)
    (tree / "var/data/deep/rows").write_text("rows")
    (tree / "var/log").write_text("log")
    (tree / "etc/a.conf").write_text("port=2\n")
    (tree / "etc/link").unlink()
    (tree / "etc/link").symlink_to("b.conf")
    (tree / "bin/a").write_text("a 2\n")  # as long as it was
    (tree / "lib/a/__pycache__").mkdir()
    (tree / "lib/a/__pycache__/x.cpython-311.pyc").write_text("bytecode")
    (tree / "lib/a/__pycache__/x").write_text("no bytecode")
    (tree / "lib/a/only1/x").chmod(0o600)
    (tree / "etc/a.d/1").unlink()
    return {
        "bin/a": "a 2\n",
        "etc/a.conf": "port=2\n",
        "etc/link": "-> b.conf",
        "lib/a/__pycache__/x": "no bytecode",
        "var/data/deep/rows": "rows",
        "var/log": "log",
    }


def kept(root: Path, of: str = "a--1~1") -> dict[str, str]:
    top = root / "kept" / of
    return {
        str(path.relative_to(top)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text()
        for path in sorted(top.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "repair": repair,
    "remove": lambda root: ["remove", "a--1"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_the_packages_is_kept_and_told(command: str, root: Path) -> None:
    expected = touch(root)
    done = run(root, *COMMANDS[command](root))
    assert done.returncode == 0, done.stderr
    assert kept(root) == expected
    assert (root / "kept").stat().st_mode & 0o777 == 0o700
    for path in ("var/data", "var/log", "etc/a.conf", "etc/link", "bin/a", "lib/a/__pycache__/x"):
        assert (
            f"a--1: {path} is somebody else's, or edited: kept as {root}/kept/a--1~1/{path}"
            in done.stderr
        )
    assert done.stderr.count("\n") == 6
    tidy(root)
    if command == "repair":
        ok(root, "verify")
        assert ok(root, *repair(root)) == "nothing differs; nothing was changed\n"


def test_a_reader_of_events_is_told(root: Path) -> None:
    (root / "packages/a--1/var/log").write_text("log")
    told = [json.loads(line) for line in ok(root, *repair(root), "--format=ndjson").splitlines()]
    place = f"{root}/kept/a--1~1/var/log"
    assert {"event": "kept", "of": "a--1", "path": "var/log", "place": place} in told
    assert [each["event"] for each in told][-2:] == ["repaired", "done"]


@pytest.mark.parametrize("command", COMMANDS)
def test_deleting_it_needs_an_option(command: str, root: Path) -> None:
    touch(root)
    words = COMMANDS[command](root)
    assert ok(root, words[0], "--discard-changes", *words[1:])
    assert not (root / "kept").exists()
    tidy(root)


def test_nothing_is_kept_of_what_is_as_it_was(root: Path) -> None:
    os.utime(root / "packages/a--1/bin/a")
    done = run(root, "remove", "a--1")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (root / "kept").exists()


def test_each_time_in_a_place_of_its_own(root: Path) -> None:
    for content in ("first", "second"):
        (root / "packages/a--1/var/log").write_text(content)
        ok(root, *repair(root))
    assert kept(root, "a--1~1") == {"var/log": "first"}
    assert kept(root, "a--1~2") == {"var/log": "second"}


def test_an_edited_configuration_is_kept_whatever_the_clock_says(root: Path) -> None:
    """Times that say that the file was not touched since the package was added."""
    (root / "packages/a--1/etc/a.conf").write_text("port=3\n")
    later = (root / "packages/a--1/etc/a.conf").stat().st_ctime_ns + 10**18
    os.utime(root / "manifests/a--1", ns=(later, later))
    ok(root, "remove", "a--1")
    assert kept(root) == {"etc/a.conf": "port=3\n"}


def test_a_damaged_record_does_not_let_a_change_pass(root: Path) -> None:
    expected = touch(root)
    (root / "manifests/a--1").write_text("damaged")
    later = (root / "packages/a--1/bin/a").stat().st_ctime_ns + 10**18
    os.utime(root / "manifests/a--1", ns=(later, later))
    import hashlib

    sha = hashlib.sha256((root.parent / "a--1.tar").read_bytes()).hexdigest()
    ok(root, *repair(root), f"--sha256={sha}")
    assert kept(root) == expected


def test_gc_keeps_it_too(root: Path) -> None:
    ok(root, "activate", *options(root), "a--1")
    (root / "packages/a--1/etc/a.conf").write_text("port=2\n")
    (root.parent / "b--1.tar").write_bytes(archive({"bin/b": "b"}))
    ok(root, "add", str(root.parent / "b--1.tar"))
    ok(root, "activate", *options(root), "b--1")
    done = run(root, "gc", "--keep=1")
    assert done.returncode == 0 and "a--1: etc/a.conf is somebody else's" in done.stderr
    assert kept(root) == {"etc/a.conf": "port=2\n"}
    assert not (root / "packages/a--1").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_every_call(command: str, memory: Path) -> None:
    if why_no_strace():
        pytest.skip(why_no_strace())
    log = memory / "log"

    def fresh(name: str) -> Path:
        top = memory / name
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        return build(top / "store")

    root = fresh("first")
    expected = touch(root)
    done = run(root, *COMMANDS[command](root), tracer=counting(log))
    assert done.returncode == 0, done.stderr
    lost = []
    found = points(log.read_text())
    for point in found:
        root = fresh("killed")
        touch(root)
        tracer = doing("signal=KILL", point, memory / "injected.log")
        done = run(root, *COMMANDS[command](root), tracer=tracer)
        assert done.returncode == -signal.SIGKILL
        run(root, "recover")
        there = root / "packages/a--1"
        everything: dict[str, str] = {}
        for each in sorted((root / "kept").glob("*")):
            everything.update(kept(root, each.name))
        if there.exists() and (there / "etc/a.conf").read_text() == "port=2\n":
            everything = expected | everything  # nothing has happened yet
            assert (there / "var/data/deep/rows").read_text() == "rows"
        if everything != expected or list(root.glob("staging/*")):
            lost.append(f"{point}: {everything}")
    assert lost == []
    assert len(found) > 20
