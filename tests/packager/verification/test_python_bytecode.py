"""A package with Python in it stays in sync while its programs run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from packager.package.python_bytecode import source_of
from packager.store.store import Store

from tests.support.host_packages import archive
from tests.support.profile_host import Host, profile

PROGRAM = "#!/bin/sh\n"
TAG = sys.implementation.cache_tag


def run_python(top: Path, code: str) -> str:
    """Run Python as the owner of the store, with `lib` of `top` on its path; what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(top / "lib")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    files = {"lib/pkg/__init__.py": "", "lib/pkg/a.py": "V = 1\n", "lib/top.py": "V = 1\n"}
    host.add("tool--1", files)
    return host


def test_what_python_writes_is_no_difference(host: Host) -> None:
    document = profile(packages=["tool"])
    host.applied(document)
    tree = host.root / "packages/tool--1"
    for top in (tree, host.root / "active"):
        assert run_python(top, "import pkg.a, top; print(pkg.a.V)") == "1"
        assert list(top.glob("lib/pkg/__pycache__/a.*.pyc"))
    assert host.run("verify", program="packager").returncode == 0
    for words in ([], ["--quick"]):
        assert host.json("status", *words)["in_sync"] is True
    assert host.applied(document)["changed"] is False  # there is no repository to mend it from


def test_other_files_in_a_cache_are_differences(host: Host) -> None:
    host.applied(profile(packages=["tool"]))
    cache = host.root / "packages/tool--1/lib/pkg/__pycache__"
    cache.mkdir()
    names = {f"a.{TAG}.pyc", f"a.{TAG}.opt-1.pyc", f"a.{TAG}.pyc.1407"}
    other = {f"gone.{TAG}.pyc", "a.so", "a.py", f"w.{TAG}.pyc", f"l.{TAG}.pyc", "sub"}
    for name in (names | other) - {"sub", f"l.{TAG}.pyc"}:
        (cache / name).write_text("x")
    (cache / f"w.{TAG}.pyc").chmod(0o666)
    (cache / f"l.{TAG}.pyc").symlink_to("/etc/passwd")
    (cache / "sub").mkdir()
    (host.root / "packages/tool--1/__pycache__").mkdir()  # there is no source beside it
    found = json.loads(host.run("verify", "--format=json", program="packager").stdout)
    paths = {each["path"] for each in found["packages"][0]["differences"]}
    assert paths == {f"lib/pkg/__pycache__/{name}" for name in other} | {"__pycache__"}


def test_a_source_is_compared_as_ever(host: Host) -> None:
    host.applied(profile(packages=["tool"]))
    (host.root / "packages/tool--1/lib/top.py").write_text("V = 2\n")
    assert host.run("verify", program="packager").returncode == 65


def test_bytecode_of_the_archive_may_be_made_anew(tmp_path: Path) -> None:
    """It is, where it is not of the source's time, or of another Python's version."""
    host = Host(tmp_path)
    host.add("tool--1", {"lib/a.py": "V = 1\n", f"lib/__pycache__/a.{TAG}.pyc": "stale"})
    host.applied(profile(packages=["tool"]))
    assert run_python(host.root / "packages/tool--1", "import a; print(a.V)") == "1"
    assert host.json("status")["in_sync"] is True
    (host.root / f"packages/tool--1/lib/__pycache__/a.{TAG}.pyc").unlink()
    assert host.run("verify", program="packager").returncode == 65


def test_times_of_files_are_those_of_the_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    times = {"a": 1700000000, "b": 1700000000.75, "old": 0, "fixed": 1, "far": 1 << 33}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, time in times.items():
            member = tarfile.TarInfo(name)
            member.mtime = time
            made.addfile(member)
    buffer.seek(0)
    Store(str(tmp_path)).add(buffer, package_id="t--1")
    tree = tmp_path / "packages/t--1"
    assert (tree / "a").stat().st_mtime == (tree / "b").stat().st_mtime == 1700000000
    # Of a reproducible build, whose versions all have one time.
    assert (tree / "old").stat().st_mtime > 1700000000 < (tree / "fixed").stat().st_mtime
    assert (tree / "far").stat().st_mtime == 1 << 33


def test_the_next_version_does_not_run_the_bytecode_of_the_one_before(tmp_path: Path) -> None:
    """Python knows a source by its size and time: here both versions have the same."""
    host = Host(tmp_path)
    for version in (1, 2, 3):
        content = archive({"lib/a.py": f"V = {version}\n", "lib/sub/b.py": f"V = {version}\n"})
        host.packager("add", "-", f"--id=tool--{version}", stdin=content)
        for path in ("lib/a.py", "lib/sub/b.py"):
            os.utime(host.root / f"packages/tool--{version}" / path, (1700000000, 1700000000))
    for version in (1, 2, 1, 3, 2):
        host.packager("activate", f"tool--{version}", "--no-systemd")
        assert run_python(host.root / "active", "import a, sub.b; print(a.V, sub.b.V)") == (
            f"{version} {version}"
        )
        assert host.run("verify", program="packager").returncode == 0


def test_bytecode_that_packages_publish_is_made_anew(tmp_path: Path) -> None:
    """Python puts a file in the place of the link; the next version has its link there."""
    host = Host(tmp_path)
    for version in (1, 2):
        files = {"lib/a.py": f"V = {version}\n", f"lib/__pycache__/a.{TAG}.pyc": "stale"}
        host.add(f"tool--{version}", files)
    for version in (1, 2, 1, 2):
        host.packager("activate", f"tool--{version}", "--no-systemd")
        assert (host.root / f"active/lib/__pycache__/a.{TAG}.pyc").is_symlink()
        assert run_python(host.root / "active", "import a; print(a.V)") == str(version)
        assert not (host.root / f"active/lib/__pycache__/a.{TAG}.pyc").is_symlink()
        assert host.run("verify", program="packager").returncode == 0


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.cpython-311.pyc", "a.py"),
        ("a.b.cpython-312.opt-2.pyc", "a.b.py"),
        ("__init__.pypy39.pyc", "__init__.py"),
        ("a.cpython-311.pyc.140", "a.py"),
        ("a.pyc", None),
        (".cpython-311.pyc", None),
        ("cpython-311.pyc", None),
        ("a.cpython-311.pyo", None),
        ("a.cpython-311.pyc.x", None),
    ],
)
def test_names(name: str, source: str | None) -> None:
    assert source_of(name) == source
