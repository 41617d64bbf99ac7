"""A virtual environment is a package like any other: its python3 is the host's."""

from __future__ import annotations

import venv
from pathlib import Path

import pytest
from packager.package.host_links import is_allowed_host_link

from tests.support.profile_host import Host, profile


def test_a_virtual_environment_becomes_a_package(tmp_path: Path) -> None:
    host = Host(tmp_path)
    made = tmp_path / "tool--1"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(made)
    for name in ("python", "python3"):
        (made / "bin" / name).unlink(missing_ok=True)
    (made / "bin/python3").symlink_to("/usr/bin/python3")
    (made / "bin/python").symlink_to("python3")
    for each in made.glob("bin/python3.*"):
        each.unlink()
        each.symlink_to("python3")
    archive = tmp_path / "tool--1.tar"
    host.packager("build", "--compression=none", f"--output={archive}", made)
    host.packager("add", archive)
    host.applied(profile(packages=["tool"]))
    assert str((host.root / "active/tool/bin/python3").readlink()) == "/usr/bin/python3"
    assert host.json("status")["in_sync"] is True


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/usr/bin/python3", True),
        ("/usr/local/bin/python3.11", True),
        ("/usr/bin/python3.13t", True),
        ("/usr/bin/python", False),
        ("/usr/bin/python3.11-config", False),
        ("/usr/bin/python3.", False),
        ("/usr/bin/python3.²", False),
        ("/usr/bin/../../etc/shadow", False),
        ("/usr/bin/python3/../../etc/shadow", False),
        ("/usr/bin/python3/", False),
        ("/usr/sbin/python3", False),
        ("//usr/bin/python3", False),
        ("usr/bin/python3", False),
    ],
)
def test_the_list(target: str, allowed: bool) -> None:
    assert is_allowed_host_link(target) == allowed


def test_any_other_link_is_refused_as_ever(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (tmp_path / "x--1/bin").mkdir(parents=True)
    (tmp_path / "x--1/bin/shadow").symlink_to("/etc/shadow")
    done = host.run("build", "--output=-", tmp_path / "x--1", program="packager")
    assert done.returncode == 65 and b"the link leaves the package" in done.stderr
