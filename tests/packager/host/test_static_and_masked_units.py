"""Units that other units start, units that the administrator has masked, names of the system's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packager.archive.build import build
from packager.base.errors import DataError
from packager.host import systemd_units

from tests.support.profile_host import Host as ProfileHost
from tests.support.profile_host import configuration, profile, template
from tests.support.recording_host import Host, Tools

if TYPE_CHECKING:
    from packager.package.declarations import Declarations

UNIT = "[Service]\nExecStart=/bin/true\n"
TIMER = "[Timer]\nOnCalendar=daily\n"
FAILED = "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    tools = Tools(tmp_path / "tools")
    monkeypatch.setenv("PATH", tools.path())
    return tools


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, settle=0.0)


def backup(host: Host, version: int, program: str = UNIT) -> dict[str, Declarations]:
    package_id = f"backup--{version}"
    files = {"static-units__backup_service": program, "units__backup_timer": TIMER}
    return {package_id: host.package(package_id, None, **files)}


def test_a_static_unit_is_placed_and_not_started(host: Host, tools: Tools) -> None:
    """Its timer starts it, and neither the activation nor the next boot."""
    plan = host.activate(backup(host, 1))
    assert sorted(host.placed()) == ["backup.service", "backup.timer", "dcos.target"]
    assert sorted(host.wants()) == ["backup.timer"]
    assert plan["start"] == ["backup.timer"] and plan["idle"] == ["backup.service"]
    assert tools.calls()[-1] == ["systemctl", "start", "backup.timer", "dcos.target"]
    assert not any("backup.service" in call for call in tools.calls())


def test_a_static_unit_is_restarted_only_if_it_runs(host: Host, tools: Tools) -> None:
    first = backup(host, 1)
    host.activate(first)
    assert host.plan(first) == {}
    tools.calls()
    second = backup(host, 2)
    host.activate(second)
    assert tools.calls() == [
        ["systemctl", "try-restart", "backup.service"],
        ["systemctl", "restart", "backup.timer"],
    ]
    assert host.plan(second) == {}
    host.activate({})
    stop = next(call for call in tools.calls() if call[1] == "stop")
    assert {"backup.service", "backup.timer"} <= set(stop)
    assert sorted(host.placed()) == ["dcos.target"]


def test_that_its_last_run_has_failed_is_no_failure_of_an_activation(
    host: Host, tools: Tools
) -> None:
    """Of what a timer starts now and then the last run may have failed long before."""
    host.activate(backup(host, 1))
    states = [f"Id=backup.service\n{FAILED}", "Id=backup.timer\nLoadState=loaded\n"]
    tools.answer("systemctl-show", 0, "\n".join(states) + "ActiveState=active\n")
    second = backup(host, 2)
    host.activate(second)
    assert host.plan(second) == {}


def test_a_unit_that_becomes_static_is_wanted_no_more(host: Host, tools: Tools) -> None:
    files = {"units__backup_service": UNIT, "units__backup_timer": TIMER}
    host.activate({"backup--1": host.package("backup--1", None, **files)})
    assert sorted(host.wants()) == ["backup.service", "backup.timer"]
    static = backup(host, 2)
    host.activate(static)
    assert sorted(host.wants()) == ["backup.timer"]
    assert host.plan(static) == {}
    tools.calls()
    host.activate({"backup--3": host.package("backup--3", None, **files)})
    assert sorted(host.wants()) == ["backup.service", "backup.timer"]
    assert ["systemctl", "restart", "backup.service", "backup.timer"] in tools.calls()


def test_a_static_unit_without_systemd_is_remembered_later(host: Host, tools: Tools) -> None:
    packages = backup(host, 1)
    host.activate(packages, no_systemd=True)
    assert host.plan(packages, no_systemd=True) == {}
    plan = host.activate(packages)
    assert plan["idle"] == ["backup.service"]
    assert host.plan(packages) == {}


def test_a_masked_unit_is_left_alone(host: Host, tools: Tools) -> None:
    (host.units / "web.service").symlink_to("/dev/null")
    files = {"units__web_service": UNIT, "units__db_service": UNIT}
    packages = {"web--1": host.package("web--1", None, **files)}
    plan = host.activate(packages)
    assert str((host.units / "web.service").readlink()) == "/dev/null"
    assert plan["start"] == ["db.service"] and plan["masked"] == ["web.service"]
    assert not any("web.service" in call for call in tools.calls())
    warnings = [each["message"] for each in host.events if each["event"] == "warning"]
    assert warnings == ["web.service is masked on this host: it is left alone"]
    assert host.plan(packages) == {}
    (host.units / "web.service").unlink()  # unmasked
    assert host.activate(packages)["start"] == ["web.service"]
    assert "web.service" in host.placed()


def test_a_unit_that_is_masked_later_stays_so(host: Host, tools: Tools) -> None:
    packages = {"web--1": host.package("web--1", units__web_service=UNIT)}
    host.activate(packages)
    (host.units / "web.service").unlink()
    (host.units / "web.service").symlink_to("/dev/null")
    tools.calls()
    assert host.activate(packages) == {"masked": ["web.service"]}
    later = {"web--2": host.package("web--2", units__web_service=f"{UNIT}Nice=1\n")}
    assert host.activate(later) == {}
    assert host.activate({}) == {}
    assert tools.calls() == []
    assert str((host.units / "web.service").readlink()) == "/dev/null"


def test_masked_and_static_units_are_no_drift(tmp_path: Path) -> None:
    host = ProfileHost(tmp_path)
    host.add("job--1", {"static-units/job.service": UNIT, "units/web.service": UNIT})
    file = template("etc/x", "{{ values.x }}", restart=["job.service", "web.service"])
    document = profile(packages=["job"], configuration=configuration(file, values={"x": 1}))
    host.applied(document)
    (host.units / "web.service").unlink()
    (host.units / "web.service").symlink_to("/dev/null")
    stopped = "LoadState=loaded\nActiveState=inactive\nSubState=dead\n"
    masked = "LoadState=masked\nActiveState=inactive\nSubState=dead\n"
    shown = f"Id=job.service\n{stopped}\nId=web.service\n{masked}"
    host.tools.answer("systemctl-show", 0, shown)
    host.applied(document)
    assert host.json("status")["in_sync"] is True
    assert host.run("verify", program="packager").returncode == 0
    host.tools.calls()
    document["configuration"]["values"]["x"] = 2
    events = host.events(document)
    assert events[-1]["event"] == "applied"
    assert [c for c in host.tools.calls() if c[0] == "systemctl"] == [
        ["systemctl", "try-restart", "job.service"]
    ]
    messages = [each.get("message") for each in events]
    assert "web.service is masked on this host: it is not restarted" in messages


def test_a_name_of_the_systems_own_units_is_warned_of(
    host: Host, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "usr/lib/systemd/system"
    system.mkdir(parents=True)
    (system / "ssh.service").write_text(UNIT)
    monkeypatch.setattr(systemd_units, "DISTRIBUTION_DIRECTORIES", (str(system),))
    files = {"units__ssh_service": UNIT, "units__web_service": UNIT}
    packages = {"web--1": host.package("web--1", None, **files)}
    words = f"new in web--1, in the place of the system's own {system}/ssh.service"
    assert host.plan(packages)["reasons"]["ssh.service"] == words
    host.activate(packages)
    warnings = [each["message"] for each in host.events if each["event"] == "warning"]
    assert warnings == [f"ssh.service: {words}"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("units/web.service.d/10.conf", "units/web.service.d: a package has no drop-ins"),
        ("units_master/a.socket.d/x", "a package has no drop-ins: write the settings into the"),
        ("dcos.target.wants/x.conf", "not the name of a unit, such as x.service"),
        ("static-units/dcos.target", "this unit belongs to the host itself"),
        ("units/sub.service/x", "units/sub.service: not a regular file"),
        ("units_r", "units_r is not a directory; unit files have to be in one"),
    ],
)
def test_units_with_which_a_package_can_not_become_active_are_refused_when_it_is_built(
    tmp_path: Path, path: str, words: str
) -> None:
    file = tmp_path / "web--1" / path
    file.parent.mkdir(parents=True)
    file.write_text("")
    with Path(os.devnull).open("wb") as output, pytest.raises(DataError) as raised:
        build(str(tmp_path / "web--1"), output)
    assert words in str(raised.value)
