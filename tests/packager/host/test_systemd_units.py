"""Units: placed where systemd reads them, and only those touched that have changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packager.base.errors import ConfigError, Conflict, DataError, Denied
from packager.host import apply, host_plan

from tests.support.recording_host import Host, Tools, unchanged

if TYPE_CHECKING:
    from packager.package.declarations import Declarations

UNIT = "[Service]\nExecStart=/bin/true\n"


pytestmark = pytest.mark.usefixtures("tools_on_path")


def test_first_activation_places_and_starts_all(host: Host, tools: Tools) -> None:
    web = host.package("web--1", wants__web_service=UNIT, wants__web_socket="[Socket]\n")
    host.activate({"web--1": web})
    assert host.placed() == {
        "web.service": UNIT,
        "web.socket": "[Socket]\n",
        "dcos.target": "[Unit]\nDescription=The active packages\n\n"
        "[Install]\nWantedBy=multi-user.target\n",
    }
    assert host.wants() == {"web.service": "../web.service", "web.socket": "../web.socket"}
    assert not any(path.is_symlink() for path in host.units.iterdir())
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--no-reload", "dcos.target"],
        ["systemctl", "start", "web.socket", "web.service", "dcos.target"],
    ]


def test_same_set_again_does_nothing(host: Host, tools: Tools) -> None:
    packages = {
        "web--1": host.package("web--1", {"state_directory": True}, units__web_service=UNIT)
    }
    host.activate(packages)
    tools.calls()
    assert host.activate(packages) == {}
    assert tools.calls(asking=True) == []


def test_a_swap_touches_only_what_changed(host: Host, tools: Tools) -> None:
    old = host.package("web--1", units__web_service=UNIT, units__old_service=UNIT)
    new = host.package("web--2", units__web_service=UNIT, units__new_timer="[Timer]\n")
    other = host.package("db--1", units__db_service=UNIT)
    host.activate({"web--1": old, "db--1": other})
    tools.calls()
    before = unchanged(host.units / "db.service")
    plan = host.activate({"web--2": new, "db--1": other})
    assert tools.calls() == [
        ["systemctl", "stop", "old.service"],
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "web.service"],
        ["systemctl", "start", "new.timer"],
    ]
    assert sorted(host.placed()) == ["db.service", "dcos.target", "new.timer", "web.service"]
    assert sorted(host.wants()) == ["db.service", "new.timer", "web.service"]
    assert unchanged(host.units / "db.service") == before
    assert plan["reasons"]["web.service"] == "web--1 became web--2"


def test_a_changed_unit_file_is_replaced_before_its_restart(host: Host, tools: Tools) -> None:
    old = host.package("web--1", units__web_service=UNIT)
    new = host.package("web--2", units__web_service=f"{UNIT}Nice=1\n")
    host.activate({"web--1": old})
    tools.calls()
    host.activate({"web--2": new})
    assert host.placed()["web.service"].endswith("Nice=1\n")
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "web.service"],
    ]


def test_an_empty_list_of_units_is_never_passed_to_systemctl(host: Host, tools: Tools) -> None:
    plain = host.package("plain--1", bin__x_sh="")
    web = host.package("web--1", units__web_service=UNIT)
    for packages in ({"plain--1": plain}, {"plain--1": plain, "web--1": web}, {"plain--1": plain}):
        host.activate(packages)
        for call in tools.calls():
            assert call[1] == "daemon-reload" or [w for w in call[2:] if not w.startswith("-")]
    assert host.activate({}) == {}
    assert tools.calls() == []


def test_units_of_roles(host: Host, tools: Tools) -> None:
    both = host.package(
        "mesos--1", wants_master__mesos_master_service=UNIT, wants_slave__mesos_slave_service=UNIT
    )
    host.activate({"mesos--1": both}, ["master"])
    assert sorted(host.wants()) == ["mesos-master.service"]
    host.activate({"mesos--1": both}, ["slave"])
    assert sorted(host.wants()) == ["mesos-slave.service"]
    host.activate({"mesos--1": both})
    assert sorted(host.wants()) == []
    assert tools.calls()[-2:] == [
        ["systemctl", "stop", "mesos-slave.service"],
        ["systemctl", "daemon-reload"],
    ]


def test_no_systemd_places_and_a_later_activation_starts(host: Host, tools: Tools) -> None:
    packages = {"web--1": host.package("web--1", units__web_service=UNIT)}
    host.activate(packages, no_systemd=True)
    assert "web.service" in host.placed()
    assert tools.calls(asking=True) == []
    assert host.plan(packages, no_systemd=True) == {}
    assert host.activate(packages)["start"] == ["web.service"]
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--no-reload", "dcos.target"],
        ["systemctl", "start", "web.service", "dcos.target"],
    ]


def test_no_block(host: Host, tools: Tools) -> None:
    host.activate(
        {"web--1": host.package("web--1", units__web_service=UNIT)}, no_block_systemd=True
    )
    assert tools.calls(asking=True)[-1] == [
        *("systemctl", "start", "--no-block", "web.service", "dcos.target")
    ]


def test_rooted(host: Host, tools: Tools) -> None:
    host.activate({"web--1": host.package("web--1", units__web_service=UNIT)}, rooted_systemd=True)
    assert (host.root / "web.service").read_text() == UNIT
    assert (host.root / "dcos.target.wants/web.service").read_text() == UNIT
    assert list(host.units.iterdir()) == []


def test_a_template_is_placed_and_only_its_instances_are_moved(host: Host, tools: Tools) -> None:
    old = host.package("web--1", None, **{"units__web@_service": UNIT})
    new = host.package("web--2", None, **{"units__web@_service": f"{UNIT}# 2\n"})
    host.activate({"web--1": old})
    host.activate({"web--2": new})
    assert host.wants() == {}
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--no-reload", "dcos.target"],
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "web@*.service"],
    ]


def test_a_failed_start_is_reported_and_tried_again(host: Host, tools: Tools) -> None:
    packages = {
        "web--1": host.package("web--1", units__web_service=UNIT),
        "db--1": host.package("db--1", units__db_service=UNIT),
    }
    tools.answer("systemctl-start", 1, "Job for web.service failed.")
    tools.answer(
        "systemctl-show",
        0,
        "Id=db.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n\n"
        "Id=web.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n",
    )
    tools.answer("journalctl", 0, "listening on 80\nit burns\n")
    with pytest.raises(apply.UnitsFailed, match=r"web\.service: failed") as caught:
        host.activate(packages)
    assert "it burns" in str(caught.value) and "db.service" not in str(caught.value)
    assert [each.document() for each in caught.value.failures] == [
        {"unit": "web.service", "state": "failed (exit-code)", "log": "listening on 80\nit burns"}
    ]
    assert [e["name"] for e in host.events if e.get("action") == "failed"] == ["web.service"]
    tools.forget_answers()
    tools.calls()
    assert host.activate(packages)["start"] == ["web.service"]
    assert host.plan(packages) == {}


def test_a_service_that_dies_again_and_again_has_failed(host: Host, tools: Tools) -> None:
    tools.answer(
        "systemctl-show",
        0,
        "Id=web.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n"
        "Result=exit-code\n",
    )
    with pytest.raises(apply.UnitsFailed, match=r"activating \(exit-code\)"):
        host.activate({"web--1": host.package("web--1", units__web_service=UNIT)})


def test_systemctl_that_can_do_nothing(host: Host, tools: Tools) -> None:
    tools.answer("systemctl", 1, "System has not been booted with systemd as init system")
    packages = {"web--1": host.package("web--1", units__web_service=UNIT)}
    with pytest.raises(apply.UnitsFailed, match="not been booted"):
        host.activate(packages)
    assert host.plan(packages)["start"] == ["web.service"]


def test_a_unit_that_is_not_loaded_counts_as_stopped(host: Host, tools: Tools) -> None:
    host.activate({"web--1": host.package("web--1", units__web_service=UNIT)})
    tools.answer("systemctl-stop", 5, "Failed to stop web.service: Unit web.service not loaded.")
    host.activate({})
    assert sorted(host.placed()) == ["dcos.target"]


def test_without_systemctl_nothing_begins(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="--no-systemd"):
        host.plan({"web--1": host.package("web--1", units__web_service=UNIT)})


def test_a_file_of_the_host_is_not_overwritten(host: Host, tools: Tools) -> None:
    packages = {"ssh--1": host.package("ssh--1", units__sshd_service=UNIT)}
    (host.units / "sshd.service").write_text("the host's")
    with pytest.raises(Conflict, match=r"sshd\.service is there already"):
        host.plan(packages)
    (host.units / "sshd.service").write_text(UNIT)  # the same content is as good as ours
    host.activate(packages)
    host.activate({})
    assert "sshd.service" not in host.placed()


def test_an_activation_cut_while_it_places_units_is_completed_or_undone(
    host: Host, tools: Tools
) -> None:
    """The state is written before a file is: whatever is there, the next plan knows of it."""
    packages = {"web--1": host.package("web--1", units__web_service=UNIT)}
    unit = host.root / "packages/web--1/units/web.service"
    plan = host.plan(packages)
    unit.rename(unit.with_suffix(".away"))
    with pytest.raises(DataError):  # as a kill would, in the middle of the work
        host.settle(plan)
    (host.units / "web.service").write_text("half")
    unit.with_suffix(".away").rename(unit)
    assert host.plan({})["remove"] == ["web.service"]
    assert [each["unit"] for each in host.plan(packages)["place"]] == ["web.service"]
    host.activate({})
    assert "web.service" not in host.placed()


@pytest.mark.parametrize("name", ["dcos.target", "dcos-setup.service", "README.md", "-x.service"])
def test_what_can_not_be_a_unit_is_refused(host: Host, name: str) -> None:
    directory = host.root / "packages/web--1/units"
    directory.mkdir(parents=True)
    (directory / name).write_text(UNIT)
    (directory / ".gitignore").touch()
    directory.parent.rename(directory.parents[1] / "x--1")
    with pytest.raises(DataError, match=name):
        declarations_of(host, "x--1")


def test_a_unit_link_that_leaves_its_package_is_refused(host: Host, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    for target, words in ((tmp_path / "secret", "leaves the package"), (Path("no"), "to nothing")):
        package = f"p{len(words)}--1"
        directory = host.root / "packages" / package / "units"
        directory.mkdir(parents=True)
        (directory / "x.service").symlink_to(target)
        with pytest.raises(DataError, match=words):
            declarations_of(host, package)


def test_a_units_directory_that_is_a_link_is_refused(host: Host, tmp_path: Path) -> None:
    tree = host.root / "packages/x--1"
    tree.mkdir()
    (tree / "dcos.target.wants").symlink_to(tmp_path)
    with pytest.raises(DataError, match="not a directory"):
        declarations_of(host, "x--1")


def test_a_link_within_the_package_is_a_copy_in_place(host: Host, tools: Tools) -> None:
    tree = host.root / "packages/x--1"
    (tree / "units").mkdir(parents=True)
    (tree / "web.in").write_text(UNIT)
    (tree / "units/web.service").symlink_to("../web.in")
    host.activate({"x--1": declarations_of(host, "x--1")})
    assert host.placed()["web.service"] == UNIT
    assert not (host.units / "web.service").is_symlink()


def test_one_unit_in_two_packages_is_a_conflict_only_where_both_count(host: Host) -> None:
    a = host.package("a--1", units__web_service=UNIT)
    b = host.package("b--1", units_slave__web_service=UNIT)
    assert host_plan.conflicts({"a--1": a, "b--1": b}, ["master"]) == []
    (reason,) = host_plan.conflicts({"a--1": a, "b--1": b}, ["slave"])
    assert "a--1 (units/web.service)" in reason and "b--1 (units_slave/web.service)" in reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_units_directory_that_is_not_writable_stops_it_before_anything(host: Host) -> None:
    host.units.chmod(0o555)
    plan = host.plan({"web--1": host.package("web--1", units__web_service=UNIT)}, no_systemd=True)
    with pytest.raises(Denied, match="--rooted-systemd"):
        host.prepare(plan)


def declarations_of(host: Host, package_id: str) -> Declarations:
    from packager.package.declarations import read_declarations

    from tests.support.recording_host import record

    return read_declarations(
        package_id, str(host.root / "packages" / package_id), record(package_id, None)
    )


def test_what_was_done_without_systemd_systemd_is_told_later(host: Host, tools: Tools) -> None:
    old = host.package("web--1", units__web_service=UNIT)
    new = host.package("web--2", units__web_service=f"{UNIT}# 2\n")
    host.activate({"web--1": old})
    tools.calls()
    host.activate({"web--2": new}, no_systemd=True)
    assert host.placed()["web.service"].endswith("# 2\n")
    assert tools.calls() == []
    host.activate({"web--2": new})
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "web.service"],
    ]
    host.activate({}, no_systemd=True)
    assert "web.service" not in host.placed()
    assert host.plan({}, no_systemd=True) == {}, "nothing is left to do without systemd"
    assert tools.calls() == []
    host.activate({})
    assert tools.calls()[0] == ["systemctl", "stop", "web.service"]
    assert host.activate({}) == {}


@pytest.mark.parametrize("verb", ["stop", "enable", "daemon-reload"])
def test_what_systemctl_failed_at_is_tried_again(host: Host, tools: Tools, verb: str) -> None:
    packages = {"web--1": host.package("web--1", units__web_service=UNIT)}
    if verb == "stop":
        host.activate(packages)
        packages = {}
    tools.answer(f"systemctl-{verb}", 1, "Transport endpoint is not connected")
    with pytest.raises(apply.UnitsFailed, match=f"systemctl {verb}: Transport"):
        host.activate(packages)
    tools.forget_answers()
    tools.calls()
    host.activate(packages)
    assert verb in [call[1] for call in tools.calls()]
    assert host.activate(packages) == {}


def test_after_a_reload_that_failed_what_was_restarted_is_restarted_again(
    host: Host, tools: Tools
) -> None:
    host.activate({"web--1": host.package("web--1", units__web_service=UNIT)})
    new = {"web--2": host.package("web--2", units__web_service=f"{UNIT}# 2\n")}
    tools.answer("systemctl-daemon-reload", 1, "Access denied")
    with pytest.raises(apply.UnitsFailed, match="Access denied"):
        host.activate(new)
    tools.forget_answers()
    tools.calls()
    host.activate(new)
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "web.service"],
    ]


def test_a_link_to_nothing_is_a_file_of_the_host_too(host: Host, tools: Tools) -> None:
    (host.units / "web.service").symlink_to("/nowhere")
    with pytest.raises(Conflict, match=r"web\.service is there already"):
        host.plan({"web--1": host.package("web--1", units__web_service=UNIT)})


def edited_unit(host: Host) -> Path:
    return host.units / "web.service"


def kept_units(host: Host) -> list[str]:
    return [path.read_text() for path in sorted((host.root / "kept").glob("units~*/*"))]


@pytest.mark.parametrize("leaving", [True, False])
def test_an_edited_unit_file_is_kept_and_told(host: Host, leaving: bool) -> None:
    old = host.package("web--1", units__web_service=UNIT)
    new = host.package("web--2", units__web_service=UNIT + "Nice=1\n")
    host.activate({"web--1": old})
    edited_unit(host).write_text(UNIT + "# mine\n")
    wanted: dict[str, Declarations] = {} if leaving else {"web--2": new}
    assert host.plan(wanted)["edited"] == [str(edited_unit(host))]
    host.events.clear()
    host.activate(wanted)
    assert kept_units(host) == [UNIT + "# mine\n"]
    place = str(next((host.root / "kept").glob("units~1/*")))
    told = {"of": "units", "path": str(edited_unit(host)), "place": place}
    assert {"event": "kept", **told} in host.events
    assert edited_unit(host).exists() is not leaving
    host.activate({"web--1": old})
    assert len(kept_units(host)) == 1  # nobody has edited it since


def test_what_a_cut_activation_has_placed_is_nobodys_edit(host: Host) -> None:
    """Whether it was cut after the file was placed or before."""
    text = f"{UNIT}Nice={{}}\n".format
    versions = [host.package(f"web--{n}", units__web_service=text(n)) for n in range(4)]
    host.activate({"web--0": versions[0]})
    for number in (1, 2):
        plan = host.plan({f"web--{number}": versions[number]})
        unit = host.root / f"packages/web--{number}/units/web.service"
        unit.unlink()
        with pytest.raises(DataError):  # as a kill would, in the middle of the work
            host.settle(plan)
        if number == 1:
            edited_unit(host).write_text(text(number))
    assert "edited" not in host.plan({"web--3": versions[3]})
    host.activate({"web--3": versions[3]})
    assert kept_units(host) == []
    assert "placed" not in host.applied()["units"][str(host.units)]["web.service"]
