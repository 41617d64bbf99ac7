"""What an apply does to a host, what the next one does, and what if the host is not well."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.provisioner.applying.kill_scenes import never_answer
from tests.support.kill_points import Point, doing, why_no_strace
from tests.support.packager_command import waits_for
from tests.support.profile_host import UNIT, Host, configuration, profile, template
from tests.support.provisioner_machine import PROVISIONER
from tests.support.tar_archives import snapshot
from tests.support.web_server import serve, status

SICK = "#!/bin/sh\ntest ! -e {}\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("web--1", {"bin/web": "#!/bin/sh\n", "units/web.service": UNIT})
    return host


WEB = profile(
    packages=["web"],
    roles=["agent"],
    configuration=configuration(
        template("etc/web.conf", "port={{ values.port }}\n", restart=["web.service"]),
        {"path": "etc/motd", "content": "{{ as it is }}", "mode": "0600"},
        values={"port": 80},
    ),
)


def changed(port: int) -> dict[str, object]:
    files = WEB["configuration"]["files"]
    return {**WEB, "configuration": configuration(*files, values={"port": port})}


def test_a_host_becomes_what_the_profile_says(host: Host) -> None:
    result = host.applied(WEB)
    assert result["changed"] and result["run"] == 1 and result["generation"] == 1
    config = next(each for each in host.active if each.startswith("web-config--"))
    assert host.active == ["web--1", config] == result["packages"]
    assert host.read("etc/web.conf") == "port=80\n"
    assert host.read("etc/motd") == "{{ as it is }}"
    assert stat.S_IMODE((host.root / "active/etc/motd").stat().st_mode) == 0o600
    assert host.json("history")["applied"] == 1
    assert ["systemctl", "start", "web.service", "dcos.target"] in host.tools.calls()
    assert b"roles" in host.packager("active", "--format=json")
    assert json.loads(host.packager("active", "--format=json"))["roles"] == ["agent"]
    host.packager("verify")


def test_the_same_profile_again_does_nothing_and_says_so(host: Host) -> None:
    host.applied(WEB)
    host.tools.calls()
    before = snapshot(host.root)
    inodes = {path: path.lstat().st_ino for path in host.root.rglob("*")}
    done = host.apply(WEB)
    assert done.stdout == b"the host is as web says; nothing was changed\n"
    assert host.applied(WEB) == {
        "profile": "web",
        "run": 1,
        "generation": 1,
        "changed": False,
        "packages": host.active,
    }
    assert snapshot(host.root) == before
    assert {path: path.lstat().st_ino for path in host.root.rglob("*")} == inodes
    assert not [call for call in host.tools.calls() if "is-active" not in call]


def test_the_same_profile_again_needs_no_library(host: Host, tmp_path: Path) -> None:
    (tmp_path / "web.json").write_text(json.dumps(WEB))
    assert host.run("apply", "--settle=0.001", tmp_path / "web.json").returncode == 0
    line = (
        "import sys; from packager.cli import runner;"
        "from provisioner.cli.definitions import PROVISIONER;"
        "runner.run(PROVISIONER, sys.argv[1:]); print(*sys.modules)"
    )
    again = host.run("apply", tmp_path / "web.json", program=[sys.executable, "-c", line])
    assert b"nothing was changed" in again.stdout
    loaded = set(again.stdout.decode().split())
    assert loaded.isdisjoint(
        {"jinja2", "yaml", "jsonschema", "requests", "click", "resolvelib", "dataclasses"}
    )


def test_only_what_changed_is_touched(host: Host) -> None:
    host.add("other--1", {"units/other.service": UNIT})
    document = {**WEB, "packages": ["web", "other"]}
    host.applied(document)
    host.tools.calls()
    first = host.active
    result = host.applied({**changed(81), "packages": ["web", "other"]})
    assert result["changed"]
    assert host.read("etc/web.conf") == "port=81\n"
    assert host.tools.calls() == [["systemctl", "restart", "web.service"]]
    host.applied(document)
    assert host.active == first, "the same content is the same package"


def test_a_new_version_restarts_its_unit_once(host: Host) -> None:
    host.applied(WEB)
    host.add("web--2", {"units/web.service": UNIT + "\n", "bin/web": "#!/bin/sh\n"})
    host.tools.calls()
    host.applied({**changed(82), "packages": ["web--2"]})
    restarts = [call for call in host.tools.calls() if call[1] == "restart"]
    assert restarts == [["systemctl", "restart", "web.service"]]


def test_a_range_stays_with_what_fits_until_an_upgrade(host: Host) -> None:
    document = {**WEB, "packages": ["web>=1,<3"]}
    host.applied(document)
    host.add("web--2", {"bin/web": "#!/bin/sh\n"})
    assert "web--1" in host.applied({**document, "description": "another"})["packages"]
    assert "web--2" in host.applied(document, "--upgrade")["packages"]
    assert "web--2" in host.applied({**document, "packages": ["web<3"]})["packages"]
    assert "web--1" in host.applied({**document, "packages": ["web<2"]})["packages"]


def test_a_host_that_is_not_well_goes_back(host: Host, tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    host.add("web--2", {"bin/web": "#!/bin/sh\n# 2\n", "check/well": SICK.format(sick)})
    host.applied(WEB)
    before = host.active
    sick.touch()
    host.tools.calls()
    done = host.apply({**changed(81), "packages": ["web--2"]}, "--format=ndjson")
    assert done.returncode == 65
    assert b"web--2 well: exit code 1" in done.stderr and b"generation 1 is active" in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event"] for each in events].count("probe") == 1
    assert events[-1]["event"] == "failed" and events[-1]["exit_code"] == 65
    assert "rolling-back" in [each["event"] for each in events]
    assert (host.generation, host.active) == (1, before)
    assert host.read("etc/web.conf") == "port=80\n"
    last = host.history()[-1]
    assert last["outcome"] == "rolled back" and "exit code 1" in last["reason"]
    assert host.json("history")["applied"] == 1 and host.json("history")["pending"] is None
    assert ["systemctl", "restart", "web.service"] in host.tools.calls()
    assert not host.applied(WEB)["changed"]


def test_the_first_apply_of_all_goes_back_to_nothing(host: Host) -> None:
    document = {**WEB, "health": {**WEB["health"], "http": [{"url": "http://127.0.0.1:1/"}]}}
    done = host.apply(document)
    assert done.returncode == 65 and b"nothing is active" in done.stderr
    assert host.active == []
    assert host.json("history")["applied"] is None


def test_what_is_not_well_may_be_kept(host: Host) -> None:
    host.applied(WEB)
    probes = {**WEB["health"], "http": [{"url": "http://127.0.0.1:1/"}]}
    document = {**changed(81), "health": probes, "on_failure": "keep"}
    done = host.apply(document)
    assert done.returncode == 65 and b"stays as it is now" in done.stderr
    assert host.read("etc/web.conf") == "port=81\n"
    assert host.history()[-1]["outcome"] == "unhealthy"
    assert host.apply(document).returncode == 65, "the conditions are looked at again"


def test_units_have_to_be_active(host: Host) -> None:
    host.applied(WEB)
    host.tools.answer("systemctl-is-active", 3, "activating")
    document = {**changed(81), "health": {**WEB["health"], "units": ["web.service"], "retries": 1}}
    done = host.apply(document)
    assert done.returncode == 65 and b"unit web.service: it is activating" in done.stderr
    asked = [call for call in host.tools.calls() if "is-active" in call]
    assert asked.count(["systemctl", "is-active", "web.service"]) >= 2
    host.tools.forget_answers()
    assert host.applied(document)["changed"]


def test_a_unit_that_does_not_restart_is_a_failure(host: Host) -> None:
    host.applied(WEB)
    host.tools.answer("systemctl-restart", 1, "Job for web.service failed")
    host.tools.answer(
        "systemctl-show",
        0,
        "Id=web.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n",
    )
    done = host.apply(changed(81))
    # It does not restart with the old configuration either: neither of the two is sound.
    assert done.returncode == 74 and b"going back failed too" in done.stderr
    assert host.json("history")["pending"] == 2
    assert host.read("etc/web.conf") == "port=80\n"
    host.tools.forget_answers()
    assert host.applied(changed(81))["changed"]
    assert host.read("etc/web.conf") == "port=81\n"


def test_rollback_is_to_the_profile_before(host: Host) -> None:
    for port in (80, 81, 82):
        host.applied(changed(port))
    for port in (81, 80):
        done = host.run("rollback", "--settle=0.001")
        assert done.returncode == 0, done.stderr
        assert host.read("etc/web.conf") == f"port={port}\n"
    assert host.run("rollback").returncode == 66
    assert host.run("rollback", "--settle=0.001", "3").returncode == 0
    assert host.read("etc/web.conf") == "port=82\n"
    assert host.run("rollback", "17").returncode == 66
    assert not host.applied(changed(82))["changed"]


def test_two_at_once(host: Host) -> None:
    words = ["apply", "--settle=0.001", "--format=json", "-"]
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "provisioner", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=host.environment,
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdin is not None
        each.stdin.write(json.dumps(WEB).encode())
        each.stdin.close()
    results = []
    for each in both:
        assert each.stdout is not None
        results.append(json.loads(each.stdout.read())["changed"])
        assert each.wait(60) == 0
    assert sorted(results) == [False, True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_dies_of_the_signal_and_is_finished_by_the_next(
    host: Host, number: signal.Signals
) -> None:
    """The gate waits for a server that never answers; the set is active by then."""
    host.applied(WEB)
    with serve(never_answer) as web:
        probes = {**WEB["health"], "http": [{"url": web.url("/")}]}
        document = {**changed(81), "health": probes}
        running = subprocess.Popen(
            [sys.executable, "-m", "provisioner", "apply", "--format=ndjson", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=host.environment,
        )
        assert running.stdin is not None and running.stdout is not None
        running.stdin.write(json.dumps(document).encode())
        running.stdin.close()
        while b"switched" not in running.stdout.readline():
            pass
        while not web.requests:
            os.sched_yield()
        running.send_signal(number)
        assert running.wait(20) == -number
        running.stdout.close()
    assert host.read("etc/web.conf") == "port=81\n"
    last = host.json("history")
    assert last["pending"] == 2 and last["runs"][-1]["outcome"] == "unfinished"
    # Another profile that fails goes back to what was before the interrupted one.
    done = host.apply(
        {**changed(83), "health": {**QUICK, "http": [{"url": "http://127.0.0.1:1/"}]}}
    )
    assert done.returncode == 65
    assert host.read("etc/web.conf") == "port=80\n"
    with serve(status("200 OK")) as web:
        probes = {**WEB["health"], "http": [{"url": web.url("/")}]}
        host.applied({**changed(81), "health": probes})
    assert host.read("etc/web.conf") == "port=81\n"
    assert host.json("history")["pending"] is None


QUICK = WEB["health"]


def test_without_a_profile_it_is_the_applied_one(host: Host) -> None:
    assert host.run("apply").returncode == 66
    host.applied(WEB)
    assert b"nothing was changed" in host.run("apply").stdout
    host.packager("activate", "--no-systemd", "web--1")
    done = host.run("apply", "--settle=0.001")
    assert done.stdout.startswith(b"applied web"), done.stderr
    assert host.read("etc/web.conf") == "port=80\n"


def test_a_template_from_a_package(host: Host) -> None:
    host.add("site--1", {"templates/x.j2": "{{ values.port }} from {{ profile.name }}"})
    template = {"package": "site", "path": "templates/x.j2"}
    source = {"path": "etc/x", "from": template}
    document = profile(
        packages=["site", "web"], configuration=configuration(source, values={"port": 7})
    )
    host.applied(document)
    assert host.read("etc/x") == "7 from web"
    template["path"] = "templates/none.j2"
    done = host.apply(document)
    assert (
        done.returncode == 66 and b"there is no template site--1/templates/none.j2" in done.stderr
    )


def test_a_path_that_a_package_has(host: Host) -> None:
    host.add("site--1", {"etc/x": "of the package"})
    document = profile(packages=["site"], configuration=configuration(template("etc/x", "mine")))
    done = host.apply(document)
    assert done.returncode == 73
    assert b"etc/x" in done.stderr and b"site--1" in done.stderr and b"web-config--" in done.stderr
    assert host.active == [] and host.history() == []


@pytest.mark.parametrize("call", ["renameat"])
def test_a_restart_that_a_kill_has_kept_from_is_made_up_for(host: Host, call: str) -> None:
    """Whatever the moment of the kill: if the new configuration is active, its unit was restarted
    when the next apply has ended. (The unit itself stays the same: packager has nothing to do.)"""
    if why_no_strace():
        pytest.skip(why_no_strace())
    host.applied(WEB)
    model = host.top / "model"
    host.root.rename(model)
    document = json.dumps(changed(81)).encode()
    between = 0
    for number in range(1, 60):
        shutil.rmtree(host.root, ignore_errors=True)
        subprocess.run(["cp", "-a", model, host.root], check=True)
        host.tools.calls()
        tracer = doing("signal=KILL", Point(call, number, ""), Path("/dev/null"))
        killed = host.run("apply", "-", stdin=document, tracer=tracer)
        if killed.returncode == 0:
            break
        missed = host.read("etc/web.conf") == "port=81\n" and not host.tools.calls()
        between += missed
        host.applied(changed(81))
        assert host.read("etc/web.conf") == "port=81\n"
        if missed:
            assert ["systemctl", "restart", "web.service"] in host.tools.calls()
    assert between, "no kill was between the switch and the restart"


def without_the_service(host: Host) -> None:
    """A systemd that has no file of web.service any more."""
    host.tools.answer("systemctl-restart", 5, "Unit web.service not found.")
    missing = "Id=web.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"
    host.tools.answer("systemctl-show", 0, missing)


def test_a_service_and_its_configuration_go_together(host: Host) -> None:
    host.add("other--1", {"bin/other": "#!/bin/sh\n"})
    host.applied(WEB)
    without_the_service(host)
    assert host.applied(profile(packages=["other"]))["changed"]
    assert host.active == ["other--1"]


def test_the_way_back_restarts_no_service_that_has_gone(host: Host) -> None:
    host.add("other--1", {"bin/other": "#!/bin/sh\n"})
    host.applied(profile(packages=["other"]))
    probes = {**WEB["health"], "http": [{"url": "http://127.0.0.1:1/"}]}
    without_the_service(host)
    done = host.apply({**WEB, "health": probes})
    assert (done.returncode, host.active) == (74, ["other--1"]), done.stderr
    assert b"as it was before" in done.stderr
    assert host.json("history")["pending"] is None


def test_whole_numbers_may_be_written_with_a_point(host: Host) -> None:
    host.applied({**WEB, "health": {**WEB["health"], "retries": 1.0}})


def test_a_file_in_the_place_of_a_link_has_its_service_restarted(host: Host) -> None:
    host.applied(WEB)
    host.tools.calls()
    place = host.root / "active/etc/web.conf"
    place.unlink()
    place.write_text("port=1\n")  # as sed -i does
    assert host.run("apply", "--settle=0.001").returncode == 0
    assert host.read("etc/web.conf") == "port=80\n"
    assert ["systemctl", "restart", "web.service"] in host.tools.calls()


def test_an_apply_that_waited_brings_no_earlier_profile_back(host: Host) -> None:
    import fcntl

    from agentsim.suite.hosts.processes import wait_until

    host.applied(WEB)
    place = host.root / "provisioner/lock"
    held = os.open(place, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with subprocess.Popen([*PROVISIONER, "apply"], env=host.environment) as waiting:
        wait_until(lambda: waits_for(place, waiting.pid), 30)
        # What another apply would have left.
        after = host.root / "provisioner/after"
        subprocess.run(["cp", "-a", host.root / "provisioner/runs/1", after], check=True)
        record = json.loads((after / "record.json").read_text())
        changes = {"run": 2, "outcome": "unhealthy", "profile": {"name": "web", "digest": "x"}}
        (after / "record.json").write_text(json.dumps({**record, **changes}))
        document = json.loads((after / "profile.json").read_text())
        document["configuration"]["values"]["port"] = 81
        (after / "profile.json").write_text(json.dumps(document))
        after.rename(host.root / "provisioner/runs/2")
        (host.root / "provisioner/applied").unlink()
        (host.root / "provisioner/applied").symlink_to("runs/2")
        os.close(held)
    assert waiting.returncode == 0
    assert host.read("etc/web.conf") == "port=81\n"


def test_who_it_was_is_remembered_whatever_bytes_the_name_has(host: Host) -> None:
    environment = {os.fsencode(k): os.fsencode(v) for k, v in host.environment.items()}
    environment[b"ABI_PRINCIPAL"] = b"\xff"
    done = subprocess.run(
        [*PROVISIONER, "apply", "--settle=0.001", "-"],
        input=json.dumps(WEB).encode(),
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert host.history()[0]["who"] == "\ufffd"


def test_unit_files_that_systemd_has_not_reloaded_are_a_difference(host: Host) -> None:
    host.applied(WEB)
    place = host.root / "host.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "reloading": True}))
    done = host.run("status")
    assert (done.returncode, b"not reloaded" in done.stdout) == (65, True)
    assert host.run("apply", "--settle=0.001").returncode == 0
    assert host.run("status").returncode == 0
