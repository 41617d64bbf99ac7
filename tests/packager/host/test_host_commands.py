"""The whole command on a host: what activations do to it, and what a kill or a failure leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from packager.host.options import HostOptions

from tests.support.host_packages import activate, add, host_options
from tests.support.packager_command import packager
from tests.support.recording_host import Tools

UNIT = "[Service]\nExecStart=/bin/true\n"


def on_host(
    root: Path, tools: Tools, command: str, *words: str
) -> subprocess.CompletedProcess[bytes]:
    """Run it with the recording tools, all of the host beside the store."""
    return packager(root, command, *host_options(root), *words, PATH=tools.path())


def active(root: Path) -> list[str]:
    document = json.loads(packager(root, "active", "--format=json").stdout)
    return [each["id"] for each in document["packages"]]


def test_a_swap_restarts_only_what_changed_whatever_else_there_is(root: Path, tools: Tools) -> None:
    for package_id in ("web--1", "web--2", "db--1"):
        name = package_id.partition("--")[0]
        add(root, package_id, {f"dcos.target.wants/{name}.service": UNIT, f"bin/{name}": "#!x\n"})
    assert on_host(root, tools, "activate", "web--1", "db--1").returncode == 0
    tools.calls()
    assert on_host(root, tools, "swap", "web--2").returncode == 0
    assert tools.calls() == [["systemctl", "restart", "web.service"]]
    assert on_host(root, tools, "swap", "web--2").returncode == 0
    assert on_host(root, tools, "activate", "db--1", "web--2").returncode == 0
    assert tools.calls(asking=True) == []
    assert on_host(root, tools, "rollback").returncode == 0
    assert tools.calls() == [["systemctl", "restart", "web.service"]]
    assert on_host(root, tools, "deactivate", "web").returncode == 0
    assert tools.calls() == [
        ["systemctl", "stop", "web.service"],
        ["systemctl", "daemon-reload"],
    ]


def test_a_failed_start_rolls_back_when_asked(root: Path, tools: Tools) -> None:
    for version in ("1", "2"):
        add(root, f"web--{version}", {"units/web.service": f"{UNIT}# {version}\n"})
    assert on_host(root, tools, "activate", "web--1").returncode == 0
    failing = "Id=web.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code\n"
    tools.answer("systemctl-restart", 1, "Job for web.service failed.")
    tools.answer("systemctl-show", 0, failing)
    tools.answer("journalctl", 0, "can't listen\n")
    kept = on_host(root, tools, "swap", "web--2")
    assert kept.returncode == 74
    assert b"web.service: failed (exit-code)\n    can't listen" in kept.stderr
    assert active(root) == ["web--2"]
    tools.forget_answers()
    assert on_host(root, tools, "swap", "web--1").returncode == 0
    tools.answer("systemctl-restart", 1, "Job for web.service failed.")
    tools.answer("systemctl-show", 0, failing)
    back = on_host(root, tools, "swap", "--rollback-on-failure", "--format=ndjson", "web--2")
    assert back.returncode == 74
    assert active(root) == ["web--1"]
    assert (root.parent / "system/web.service").read_text() == f"{UNIT}# 1\n"
    events = [json.loads(line) for line in back.stdout.splitlines()]
    assert events[-1]["event"] == "failed"
    assert next(e["name"] for e in events if e.get("action") == "failed") == "web.service"


def test_a_plan_tells_units_users_directories_and_settings(root: Path, tools: Tools) -> None:
    info = {"state_directory": True, "username": "dcos_unheard_of", "sysctl": {"w": {"vm.x": "1"}}}
    add(root, "w--1", {"units/w.service": UNIT}, info)
    done = on_host(root, tools, "plan", "--format=json", "w--1")
    host = json.loads(done.stdout)["host"]
    assert [each["unit"] for each in host["place"]] == ["w.service"]
    assert host["start"] == ["w.service"]
    assert host["users"][0]["name"] == "dcos_unheard_of"
    assert host["directories"][0]["path"] == str(root.parent / "lib/w")
    assert host["sysctl"] == {"vm.x": "1"}
    assert tools.calls(asking=True) == []
    assert not (root.parent / "lib").exists() and not (root.parent / "system").exists()


def test_pkgpandas_example_packages(root: Path, tools: Tools) -> None:
    mesos = {
        "bin/mesos": "#!/bin/sh\n",
        "bin/mesos-dir/.gitignore": "",
        "bin_master/mesos-master": "#!/bin/sh\n",
        "bin_slave/mesos-slave": "#!/bin/sh\n",
        "lib/libmesos.so": "",
        "dcos.target.wants_master/dcos-mesos-master.service": "",
        "dcos.target.wants_slave/dcos-mesos-slave.service": "",
        "buildinfo.full.json": "{}",
    }
    sysctl = {"dcos-mesos-master": {"kernel.watchdog_thresh": "11"}}
    add(root, "mesos--0.22.0", mesos, {"sysctl": sysctl})
    config = "mesos-config--ffddcfb53168d42f92e4771c6f8a8a9a818fd6b8"
    info = {"requires": ["mesos", "mesos-config"], "environment": {"FOO": "BAR", "BAZ": "TEST"}}
    add(root, config, {"etc/foobar": "baz\n"}, info)
    (root.parent / "etc/roles").mkdir(parents=True)
    (root.parent / "etc/roles/master").touch()
    done = on_host(root, tools, "activate", "mesos--0.22.0", config)
    assert done.returncode == 0, done.stderr
    names = sorted(each.name for each in (root / "active/bin").iterdir())
    assert names == ["mesos", "mesos-dir", "mesos-master"]
    assert (root / "active/etc/foobar").read_text() == "baz\n"
    assert json.loads((root / "active/etc/dcos-service-configuration.json").read_text()) == {
        "sysctl": sysctl
    }
    assert sorted(each.name for each in (root.parent / "system").iterdir()) == [
        "dcos-mesos-master.service", "dcos.target", "dcos.target.wants",
    ]  # fmt: skip
    assert ["sysctl", "-q", "-w", "kernel.watchdog_thresh=11"] in tools.calls()
    wrong = on_host(root, tools, "activate", config)
    assert wrong.returncode == 73
    assert b"requires mesos, but nothing in the set is or provides mesos" in wrong.stderr


@pytest.mark.parametrize(
    ("infos", "words"),
    [
        (({"environment": {"A": 1}}, {"environment": {"A": 1}}), "both set the variable A"),
        (({"requires": [{"name": "q", "version": ">=2"}]}, {}), "requires q >=2"),
        (({"conflicts": ["q"]}, {}), "can't be active together with q--1"),
        (({"requires": [{"name": "q", "variant": "x"}]}, {"variant": "y"}), "of the variant x"),
        (({"username": "dcos_x", "group": "unheard_of"}, {}), "groupadd unheard_of"),
    ],
)
def test_conflicts_change_nothing(
    root: Path, tools: Tools, infos: tuple[Mapping[str, object], ...], words: str
) -> None:
    add(root, "p--1", {"units/p.service": UNIT}, {**infos[0], "state_directory": True})
    add(root, "q--1", {"bin/q": ""}, infos[1])
    done = on_host(root, tools, "activate", "p--1", "q--1")
    assert (done.returncode, words in done.stderr.decode()) == (73, True), done.stderr
    assert tools.calls(asking=True) == []
    assert active(root) == []
    assert not (root.parent / "lib").exists() and not (root.parent / "system").exists()


def test_an_activation_that_fails_leaves_no_state_directory(root: Path, tools: Tools) -> None:
    """The unit directory can't be made: found out before anything else is."""
    add(root, "p--1", {"units/p.service": UNIT}, {"state_directory": True})
    (root.parent / "system").write_text("in the way")
    done = on_host(root, tools, "activate", "p--1")
    assert done.returncode != 0
    assert active(root) == []
    assert not (root.parent / "lib/p").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
@pytest.mark.skipif(shutil.which("useradd") is None, reason="this machine has no useradd")
def test_real_users_are_made_once_and_not_left_behind(root: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own, in which /etc is a copy."""
    etc = tmp_path / "host-etc"
    probe = ["unshare", "--mount", "mount", "--bind", str(tmp_path), str(tmp_path)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace of one's own can be made here")
    etc.mkdir()
    for name in ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "subuid"):
        if (Path("/etc") / name).exists():
            shutil.copy2(Path("/etc") / name, etc / name)
    add(root, "p--1", {"bin/p": ""}, {"state_directory": True, "username": "dcos_p"})
    add(root, "q--1", {"bin/q": ""}, {"state_directory": True, "username": "dcos_q"})
    options = " ".join(host_options(root))
    run = f"{sys.executable} -m packager --root={root}"
    script = f"""
        set -e
        mount --bind {etc} /etc
        {run} activate {options} p--1
        stat -c %U {root.parent}/lib/p
        getent passwd dcos_p
        {run} activate {options} p--1 > {tmp_path}/again
        rm -rf {root}/active {root}/generations
        touch {root}/generations
        {run} activate {options} --add q--1 2> {tmp_path}/failed || echo failed
        getent passwd dcos_q || echo gone
        ls {root.parent}/lib
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[1] == "dcos_p", done
    assert lines[2].startswith("dcos_p:x:")
    assert f":DCOS System User:{root}:/sbin/nologin" in lines[2]
    assert lines[3:] == ["failed", "gone", "p"], done
    assert "nothing was changed" in (tmp_path / "again").read_text()


def test_without_systemd_a_later_activation_completes_it(root: Path, tools: Tools) -> None:
    add(root, "web--1", {"units/web.service": UNIT})
    activate(root, "web--1")
    done = on_host(root, tools, "activate", "web--1")
    assert b"the host was brought to it" in done.stdout
    assert tools.calls() == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--no-reload", "dcos.target"],
        ["systemctl", "start", "web.service", "dcos.target"],
    ]


def test_names_and_ranges_bring_what_they_require(root: Path, tools: Tools) -> None:
    needs = {"requires": [{"name": "db", "version": ">=2"}]}
    for package_id, info in (
        *(("web--1.9", needs), ("web--1.10", needs), ("db--1", {}), ("db--2", {}), ("db--2.1", {})),
        ("maria--1", {"replaces": ["db"], "provides": [{"name": "db", "version": "2.5"}]}),
    ):
        add(root, package_id, {f"share/{package_id}": ""}, info)
    for words, expected in (
        (("activate", "web"), ["db--2.1", "web--1.10"]),
        (("activate", "web<1.10", "db=2"), ["db--2", "web--1.9"]),
        (("swap", "web"), ["db--2", "web--1.10"]),  # what nobody asks for stays as it is
        (("swap", "maria--1"), ["maria--1", "web--1.10"]),
        (("swap", "web<1.10"), ["maria--1", "web--1.9"]),
        (("activate", "--add", "web"), ["maria--1", "web--1.10"]),
    ):
        done = on_host(root, tools, *words)
        assert done.returncode == 0, done.stderr
        assert active(root) == expected, words
    for words, code, said in (
        (("activate", "web>=2"), 66, "there is only web--1.10, web--1.9"),
        (("activate", "web", "db<2"), 73, "web--1.10 requires db >=2"),
        (("swap", "db"), 66, "no package called db is active"),
        (("activate", "web>"), 64, "not a comparison"),
        (("activate", ">1"), 64, "neither a package id nor a name"),
    ):
        done = on_host(root, tools, *words)
        assert (done.returncode, said in done.stderr.decode()) == (code, True), (words, done.stderr)
    assert active(root) == ["maria--1", "web--1.10"]


def test_what_a_set_that_failed_had_made_goes_with_it(root: Path, tools: Tools) -> None:
    add(root, "web--1", {"units/web.service": UNIT})
    add(root, "db--1", {"units/db.service": UNIT}, {"state_directory": True})
    assert on_host(root, tools, "activate", "web--1").returncode == 0
    tools.answer("systemctl-start", 1, "Job for db.service failed.")
    failing = "Id=db.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code\n"
    tools.answer("systemctl-show", 0, failing)
    done = on_host(root, tools, "activate", "--add", "--rollback-on-failure", "db--1")
    assert done.returncode == 74
    assert active(root) == ["web--1"]
    assert not (root.parent / "lib/db").exists()
    assert "pending" not in json.loads((root / "host.json").read_text())


def test_repair_places_units_wherever_they_were_placed(root: Path, tools: Tools) -> None:
    add(root, "web--1", {"units/web.service": UNIT})
    assert on_host(root, tools, "activate", "--rooted-systemd", "web--1").returncode == 0
    (root / "web.service").unlink()
    assert packager(root, "verify").returncode == 65
    done = on_host(root, tools, "repair")
    assert (done.returncode, b"placed web.service" in done.stdout) == (0, True), done.stderr
    assert (root / "web.service").read_text() == UNIT
    assert packager(root, "verify").returncode == 0


def test_what_editors_leave_in_roles_are_no_roles(tmp_path: Path) -> None:
    directory = tmp_path / "etc/roles"
    directory.mkdir(parents=True)
    leftovers = ("web~", "web.bak", ".web.swp", "#web#", "web.dpkg-old", "web.rpmsave", "web.orig")
    for name in ("web", "db.master", "a-b", *leftovers):
        (directory / name).touch()
    assert HostOptions(config_dir=str(tmp_path / "etc")).roles() == ("a-b", "db.master", "web")
