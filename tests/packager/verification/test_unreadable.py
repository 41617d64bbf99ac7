"""A user who may not read everything gets a report of the rest, and is told what was left out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.host_packages import activate, add
from tests.support.packager_command import environment
from tests.support.profile_host import Host, configuration, profile, template

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
NOBODY = 65534


@pytest.fixture
def top(memory: Path) -> Path:
    memory.chmod(0o755)
    return memory


def as_nobody(
    command: Sequence[str | Path], environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    return fork_server.run(command, environment, user=NOBODY)


def verified(root: Path, *words: str) -> tuple[int, dict[str, list[tuple[str, str]]], str]:
    """Exit status; paths and kinds of differences by package; what is said."""
    done = as_nobody(["packager", "verify", "--format=json", *words], environment(root))
    report = json.loads(done.stdout)
    found = {
        each["id"]: [(d["path"], d["kind"]) for d in each["differences"]]
        for each in report["packages"]
    }
    assert report["ok"] is (done.returncode == 0)
    return done.returncode, found, done.stderr.decode()


def test_unreadable_files_and_directories(top: Path) -> None:
    root = top / "store"
    files = {f"{name}/{number}": "x" for name in ("bin", "data", "etc") for number in range(3)}
    add(root, "a--1", files)
    add(root, "b--1", files)
    add(root, "c--1", files)
    activate(root, "a--1")
    tree = root / "packages/a--1"
    (tree / "bin/1").chmod(0)
    (tree / "data").chmod(0o700)
    (tree / "etc/2").write_text("changed")
    (root / "packages/b--1").chmod(0o700)
    (root / "manifests/c--1").chmod(0o600)
    code, found, said = verified(root)
    assert code == 65 and "could not be looked at" in said
    assert found == {
        "a--1": [
            ("bin/1", "changed"),  # its mode, which can be seen
            ("data", "changed"),
            ("data", "unread"),
            ("etc/2", "changed"),
        ],
        "b--1": [("", "unread")],
        "c--1": [("", "unread")],
    }
    assert verified(root, "b--1")[0] == 77
    assert (
        as_nobody(["packager", "verify", "--exit-zero", "b--1"], environment(root)).returncode == 0
    )


def host_with_a_secret(top: Path) -> Host:
    host = Host(top)
    host.add("a--1", {"bin/a": "a", "units/a.service": "[Service]\nExecStart=/bin/true\n"})
    secret = top / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    document = profile(
        packages=["a"],
        configuration=configuration(
            template("etc/x", "{{ secrets.x }}"), secrets={"x": {"file": str(secret)}}
        ),
        health={"checks": False},
    )
    host.applied(document)
    return host


def status(host: Host, *words: str) -> tuple[int, dict[str, object], str]:
    done = as_nobody(["provisioner", "status", "--format=json", *words], host.environment)
    return done.returncode, json.loads(done.stdout or b"{}"), done.stderr.decode()


@pytest.mark.parametrize("words", [[], ["--quick"]])
def test_a_monitoring_user_gets_a_report(top: Path, words: list[str]) -> None:
    host = host_with_a_secret(top)
    code, report, said = status(host, *words)
    assert code == 77 and report["in_sync"] is None and report["differences"] == [], said
    unread = report["unread"]
    assert isinstance(unread, list) and any("web-config" in each["subject"] for each in unread)
    assert "not looked at: web-config" in said and "s3cret" not in said
    assert status(host, "--exit-zero", *words)[0] == 0
    (host.root / "packages/a--1/bin/a").write_text("changed")
    code, report, said = status(host, *words)
    assert code == 65 and report["in_sync"] is False
    assert [each["subject"] for each in report["differences"]] == ["bin/a"]  # type: ignore[attr-defined]
    done = as_nobody(["provisioner", "status", *words], host.environment)
    assert b"bin/a" in done.stdout and b"not looked at" in done.stderr


def test_unit_files_that_are_private(top: Path) -> None:
    host = host_with_a_secret(top)
    (host.units / "a.service").chmod(0o600)
    code, report, _ = status(host)
    subjects = [each["subject"] for each in report["unread"]]  # type: ignore[attr-defined]
    assert code == 77 and str(host.units / "a.service") in subjects


def test_units_where_there_is_no_systemd(top: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("this host was booted with systemd")
    host = Host(top)
    host.add("a--1", {"bin/a": "a", "units/a.service": "[Service]\nExecStart=/bin/true\n"})
    host.applied(profile(packages=["a"], health={"checks": False}))
    host.tools.answer("systemctl", 1, "System has not been booted with systemd as init system")
    (host.root / "packages/a--1/bin/a").write_text("changed")
    done = host.run("status", "--format=json")
    report = json.loads(done.stdout)
    assert done.returncode == 65 and report["unread"][0]["subject"] == "units"
    assert [each["subject"] for each in report["differences"]] == ["bin/a"]
    assert b"--no-systemd" in done.stderr
