"""The system's own programs are found with the PATH that cron and service managers give."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from packager.base.errors import ConfigError
from packager.host import system_programs, users

from tests.packager.host.test_kills import ETC, USERS, why_no_users
from tests.support import fork_server
from tests.support.host_packages import add, host_options
from tests.support.packager_command import environment
from tests.support.recording_host import Host, Tools

CRON = "/usr/bin:/bin"  # crontab(5)


@pytest.mark.skipif(bool(why_no_users()), reason=why_no_users())
def test_a_user_is_made_from_a_job_of_cron(root: Path) -> None:
    etc = root.parent / "passwords"
    etc.mkdir()
    for name in ETC:
        if os.access(f"/etc/{name}", os.R_OK):
            shutil.copy2(f"/etc/{name}", etc)
    add(root, "web--1", {"bin/web": ""}, USERS)
    words = ["packager", "activate", "--no-systemd", *host_options(root), "web--1"]
    done = fork_server.run(words, environment(root, PATH=CRON), mounts={"/etc": etc})
    assert done.returncode == 0, done.stderr
    assert str(USERS["username"]) in (etc / "passwd").read_text()


def test_settings_are_set_from_a_job_of_cron(
    host: Host, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", CRON)
    monkeypatch.setattr(system_programs, "ADMINISTRATORS", (str(tools.directory),))
    unit = "[Service]\nExecStart=/bin/true\n"
    info = {"sysctl": {"a": {"vm.x": "1"}}}
    if shutil.which("sysctl", path=CRON) or shutil.which("systemctl", path=CRON):
        monkeypatch.setenv("PATH", "/nonexistent")
    host.activate({"a--1": host.package("a--1", info, units__a_service=unit)})
    assert ["sysctl", "-q", "-w", "vm.x=1"] in tools.calls()
    assert {"event": "setting", "name": "vm.x", "value": "1"} in host.events


def test_the_path_comes_first(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "sbin"
    other.mkdir()
    (other / "useradd").touch(mode=0o755)
    (other / "only-here").touch(mode=0o755)
    (other / "no-program").touch(mode=0o644)
    monkeypatch.setenv("PATH", f"/nonexistent:{tools.directory}")
    monkeypatch.setattr(system_programs, "ADMINISTRATORS", ("/nonexistent", str(other)))
    assert system_programs.find_program("useradd") == f"{tools.directory}/useradd"
    assert system_programs.find_program("only-here") == f"{other}/only-here"
    assert system_programs.find_program("no-program") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
def test_what_is_not_there_is_named_with_what_helps(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything has changed: the user of the second package can't be made."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(system_programs, "ADMINISTRATORS", ())
    info = {"state_directory": True, "username": "dcos_unheard_of"}
    packages = {
        "a--1": host.package("a--1", {"state_directory": True}),
        "b--1": host.package("b--1", info),
    }
    with pytest.raises(ConfigError, match="there is no useradd") as raised:
        host.prepare(host.plan(packages))
    assert "--root" not in str(raised.value) and "shadow-utils" in str(raised.value)
    assert not host.state.exists() and host.events == []
    with pytest.raises(ConfigError, match="can't be made"):
        users.make_user("dcos_unheard_of", None, "/")
