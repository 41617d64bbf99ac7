"""The same file in two packages is no conflict, and each may go or change without the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.profile_host import Host, configuration, profile

LICENCE = "lib/LICENCE"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def add(host: Host, package_id: str, content: str = "x", **more: str) -> None:
    files: Mapping[str, str] = {LICENCE: content, f"bin/{package_id}": "", **more}
    host.add(package_id, files)


def activate(host: Host, *ids: str, code: int = 0) -> str:
    done = host.run("activate", "--no-systemd", *ids, program="packager")
    assert done.returncode == code, done.stderr.decode()
    return done.stderr.decode()


def owner(host: Host) -> str:
    """The package that the link leads to; everything else is as it should be."""
    assert host.run("verify", program="packager").returncode == 0
    return str((host.root / "active" / LICENCE).readlink()).split("/")[1]


def test_the_same_file_in_two_packages(host: Host) -> None:
    for each in ("a--1", "b--1", "c--1"):
        add(host, each)
    activate(host, "b--1", "c--1")
    assert owner(host) == "b"
    activate(host, "--add", "a--1")  # beside what is active
    assert owner(host) == "a"
    activate(host, "b--1", "c--1")  # whose link it was goes
    assert owner(host) == "b"
    activate(host, "c--1")
    assert owner(host) == "c"
    activate(host, "a--1", "c--1")
    assert host.run("rollback", "--no-systemd", program="packager").returncode == 0
    assert owner(host) == "c"
    host.run("deactivate", "--no-systemd", "c", program="packager")
    assert not (host.root / "active" / LICENCE).is_symlink()


@pytest.mark.parametrize("changed", ["a", "b"])
def test_a_version_with_another_file_is_a_conflict(host: Host, changed: str) -> None:
    add(host, "a--1")
    add(host, "b--1")
    add(host, f"{changed}--2", "other")
    add(host, f"{changed}--3")
    activate(host, "a--1", "b--1")
    others = [each for each in ("a--1", "b--1") if each[0] != changed]
    said = activate(host, f"{changed}--2", *others, code=73)
    assert f"{LICENCE!r} is in both" in said
    activate(host, f"{changed}--3", *others)
    assert owner(host) == "a"


def test_other_modes_and_links_elsewhere_are_conflicts(host: Host) -> None:
    add(host, "a--1", bin__x="")
    tree = host.top / "m--1"
    (tree / "lib").mkdir(parents=True)
    (tree / LICENCE).write_text("x")
    (tree / LICENCE).chmod(0o755)
    archive = host.top / "m--1.tar.xz"
    host.packager("build", f"--output={archive}", tree)
    host.packager("add", archive)
    assert "is in both a--1 and m--1" in activate(host, "a--1", "m--1", code=73)


def test_a_link_to_the_same_file_beside_it(host: Host) -> None:
    for name in ("a", "b"):
        tree = host.top / f"{name}--1"
        (tree / "lib").mkdir(parents=True)
        (tree / "lib/libz.so.1").write_text("z")
        (tree / "lib/libz.so").symlink_to("libz.so.1")
        (tree / "etc").mkdir()
        (tree / "etc/up").symlink_to("../lib/libz.so.1")
        if name == "b":
            (tree / "etc/up").unlink()
        archive = host.top / f"{name}--1.tar.xz"
        host.packager("build", f"--output={archive}", tree)
        host.packager("add", archive)
    activate(host, "a--1", "b--1")
    assert host.run("verify", program="packager").returncode == 0


def test_a_configuration_may_have_the_file_of_a_package(host: Host) -> None:
    add(host, "a--1")
    file = {"path": LICENCE, "content": "x"}
    document = profile(packages=["a"], configuration=configuration(file))
    host.applied(document)
    assert host.json("status")["in_sync"] is True
    file["content"] = "y"
    assert host.apply(document).returncode == 73
    assert host.json("status")["in_sync"] is True


def test_repair_makes_the_links_anew(host: Host) -> None:
    add(host, "a--1")
    add(host, "b--1")
    activate(host, "a--1", "b--1")
    (host.root / "active" / LICENCE).unlink()
    assert host.run("verify", program="packager").returncode == 65
    host.run("repair", "--no-systemd", program="packager")
    assert owner(host) == "a"
