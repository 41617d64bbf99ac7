"""A host that has systemctl, but was not booted with systemd: a container, a chroot, another init.

Nothing is begun there that systemd would have to end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.host_packages import add, host_options
from tests.support.packager_command import packager
from tests.support.profile_host import Host as ProfileHost
from tests.support.profile_host import configuration, profile, template
from tests.support.recording_host import Tools
from tests.support.tar_archives import snapshot

UNIT = "[Service]\nExecStart=/bin/true\n"
# What systemctl 252 says: without systemd as process 1, and in a chroot.
NOT_BOOTED = (
    "System has not been booted with systemd as init system (PID 1). Can't operate.\n"
    "Failed to connect to bus: Host is down\n"
)
CHROOT = "Running in chroot, ignoring command 'show'\n"

pytestmark = pytest.mark.skipif(
    Path("/run/systemd/system").is_dir(), reason="this host was booted with systemd"
)


def on_host(root: Path, tools: Tools, *words: str) -> subprocess.CompletedProcess[bytes]:
    return packager(root, words[0], *host_options(root), *words[1:], PATH=tools.path())


@pytest.mark.parametrize(("status", "said"), [(1, NOT_BOOTED), (0, CHROOT), (1, "")])
def test_nothing_is_begun(root: Path, tools: Tools, status: int, said: str) -> None:
    info = {"state_directory": True}
    add(root, "a--1", {"bin/a": "", "units/a.service": UNIT}, info)
    tools.answer("systemctl", status, said)
    before = snapshot(root)
    for _ in range(2):
        done = on_host(root, tools, "activate", "a--1")
        assert done.returncode == 78, done.stderr
        assert b"not booted with systemd" in done.stderr and b"--no-systemd" in done.stderr
        assert b"nothing was changed" in done.stderr
    for each in ("system", "lib"):
        assert not (root.parent / each).exists()
    assert not (root / "active").exists()
    assert {**snapshot(root), **before} == snapshot(root)
    done = on_host(root, tools, "activate", "--no-systemd", "a--1")
    assert done.returncode == 0, done.stderr
    assert (root.parent / "system/a.service").exists()
    assert on_host(root, tools, "deactivate", "a").returncode == 78
    assert (root.parent / "system/a.service").exists()
    assert on_host(root, tools, "deactivate", "--no-systemd", "a").returncode == 0
    assert not (root.parent / "system/a.service").exists()


def test_the_system_s_own_systemctl(root: Path) -> None:
    if shutil.which("systemctl") is None:
        pytest.skip("this host has no systemctl")
    add(root, "a--1", {"units/a.service": UNIT})
    done = packager(root, "activate", *host_options(root), "a--1")
    assert done.returncode == 78 and b"--no-systemd" in done.stderr
    assert not (root.parent / "system").exists()


def test_what_needs_no_systemd_does_not_ask(root: Path, tools: Tools) -> None:
    add(root, "a--1", {"bin/a": ""})
    tools.answer("systemctl", 1, NOT_BOOTED)
    assert on_host(root, tools, "activate", "a--1").returncode == 0
    assert tools.calls(asking=True) == []


def test_what_stands_in_for_systemd_is_believed(root: Path, tools: Tools) -> None:
    """Such as the systemctl of images that start services without systemd."""
    add(root, "a--1", {"units/a.service": UNIT})
    tools.answer("systemctl-show", 0, "Version=1.5\n\nId=a.service\nActiveState=active\n")
    assert on_host(root, tools, "activate", "a--1").returncode == 0
    assert ["systemctl", "start", "a.service", "dcos.target"] in tools.calls()


WITH_UNIT = profile(packages=["web"])
WITH_RESTART = profile(
    packages=["plain"],
    configuration=configuration(template("etc/x", "x\n", restart=["nginx.service"])),
)
WITH_CONDITION = profile(packages=["plain"], health={"units": ["nginx.service"]})


@pytest.mark.parametrize("document", [WITH_UNIT, WITH_RESTART, WITH_CONDITION])
def test_an_apply_begins_nothing_either(tmp_path: Path, document: dict[str, object]) -> None:
    host = ProfileHost(tmp_path)
    host.add("web--1", {"units/web.service": UNIT})
    host.add("plain--1", {"bin/plain": ""})
    host.tools.answer("systemctl", 1, NOT_BOOTED)
    done = host.apply(document)
    assert done.returncode == 78, done.stderr
    assert b"--no-systemd" in done.stderr and b"going back" not in done.stderr
    assert host.active == [] and host.history() == []
    assert list(host.units.iterdir()) == []
    assert host.applied(document, "--no-systemd")["changed"]


def test_an_image_that_was_made_where_systemd_runs(tmp_path: Path) -> None:
    """All is recorded as started there; here a second apply has to say what helps."""
    host = ProfileHost(tmp_path)
    host.add("web--1", {"units/web.service": UNIT})
    host.applied(WITH_UNIT)
    host.tools.answer("systemctl", 1, NOT_BOOTED)
    done = host.apply({**WITH_UNIT, "name": "other"})
    assert done.returncode == 78 and b"--no-systemd" in done.stderr
    assert json.loads(host.run("history", "--format=json").stdout)["pending"] is None
