"""The bundle's units: off by default, and what they run when they are on."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import bundle
import pytest
from agentsim.suite.hosts.processes import wait_until

from tests.provisioner.applying.kill_scenes import never_answer
from tests.support.bundled_host import BundledHost
from tests.support.bundles import NAME, Bundles, run
from tests.support.tar_archives import END, member
from tests.support.web_server import serve

UNITS = bundle.TREE / "cli/bundle/units"
HELLO = member("bin/hello", b"#!/bin/sh\necho hello\n", mode=0o755) + END


def lines(unit: str) -> list[tuple[str, str]]:
    """Names and values of a unit file, as systemd reads them."""
    text = (UNITS / unit).read_text().replace("\\\n", " ")
    found = [line.partition("=") for line in text.splitlines() if re.match(r"\w+=", line)]
    return [(name, value) for name, _, value in found]


def carry_out(host: BundledHost, service: str) -> subprocess.CompletedProcess[bytes] | None:
    """What systemd does of the service when its timer elapses; None: its condition does not hold.
    No more of the environment than what the unit says, but where the host of the test is."""
    environment = {"PATH": host.environment["PATH"], "LANG": "C.UTF-8"}
    for name, value in lines(service):
        if name == "Environment":
            for each in shlex.split(value):
                variable, _, content = each.partition("=")
                environment[variable] = content
    environment.update(
        {name: value for name, value in host.environment.items() if name.startswith("PACKAGER_")}
    )
    environment["TEXTFILES"] = str(host.top)
    commands = dict(lines(service))
    condition = run([*shlex.split(commands["ExecCondition"])], environment)
    if condition.returncode != 0:
        return None
    return run([*shlex.split(commands["ExecStart"])], environment)


@pytest.fixture
def host(bundles: Bundles, memory: Path) -> BundledHost:
    host = BundledHost(memory)
    host.installed(bundles.version("1.0"))
    host.ok("packager", "add", "--id=hello--1", "-", stdin=HELLO)
    (host.top / "etc/config.toml").write_text("")
    return host


def web(port: int, **health: object) -> bytes:
    """A profile."""
    content = {"path": "etc/hello.conf", "content": f"port = {port}\n"}
    document = {
        "profile": 1,
        "name": "web",
        "packages": [NAME, "hello"],
        "configuration": {"files": [content]},
        "health": {"checks": False, "retries": 0, **health},
    }
    return json.dumps(document).encode()


def test_systemd_takes_them() -> None:
    analyzer = shutil.which("systemd-analyze")
    if analyzer is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in sorted(UNITS.iterdir()):
        done = run([analyzer, "verify", "--man=no", unit])
        said = [line for line in done.stderr.decode().splitlines() if "provisioner" in line]
        assert not said, said


def test_they_are_placed_and_not_started(host: BundledHost) -> None:
    placed = {each.name for each in host.units.iterdir() if each.is_file()}
    assert placed == {*(each.name for each in UNITS.iterdir()), "dcos.target"}
    assert not [each for each in host.units.glob("*.wants/*") if "provisioner" in each.name]
    started = [call for call in host.tools.calls() if {"start", "restart", "enable"} & {*call}]
    assert not [call for call in started if any("provisioner" in word for word in call)]


def test_each_timer_has_a_service_and_jitter() -> None:
    for timer in sorted(UNITS.glob("*.timer")):
        assert timer.with_suffix(".service").exists()
        settings = dict(lines(timer.name))
        assert settings.keys() >= {"OnCalendar", "RandomizedDelaySec", "WantedBy"}


def test_drift_is_repaired_and_told(host: BundledHost) -> None:
    assert carry_out(host, "provisioner-apply.service") is None
    assert carry_out(host, "provisioner-status.service") is None
    host.ok("provisioner", "apply", "--settle=0.001", "-", stdin=web(1))
    configuration = host.root / "active/etc/hello.conf"
    configuration.resolve().write_text("port = 2\n")
    metrics = host.top / "provisioner.prom"

    told = carry_out(host, "provisioner-status.service")
    assert told is not None
    assert told.returncode == 0, told.stderr.decode()
    assert "\nprovisioner_in_sync 0\n" in metrics.read_text()
    repaired = carry_out(host, "provisioner-apply.service")
    assert repaired is not None
    assert repaired.returncode == 0, repaired.stderr.decode()
    assert configuration.read_text() == "port = 1\n"
    carry_out(host, "provisioner-status.service")
    assert "\nprovisioner_in_sync 1\n" in metrics.read_text()
    assert not list(host.top.glob("*.new"))


def test_an_interrupted_run_of_a_rollout_is_left_to_its_controller(host: BundledHost) -> None:
    host.ok("provisioner", "apply", "--settle=0.001", "-", stdin=web(1))
    rollout = ("--rollout=o1", "--revision=r1", "--attempt=1", "--fence=3", "--holder=ops")
    with serve(never_answer) as site:
        profile = web(2, http=[{"url": site.url("/")}])
        command: list[str | Path] = [
            host.program("provisioner"),
            "apply",
            "--settle=0.001",
            *rollout,
            "-",
        ]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=host.environment
        ) as applying:
            assert applying.stdin is not None
            applying.stdin.write(profile)
            applying.stdin.close()
            wait_until(lambda: site.requests, 60)
            applying.kill()
    done = carry_out(host, "provisioner-apply.service")
    assert done is not None
    assert done.returncode == 75
    assert dict(lines("provisioner-apply.service"))["SuccessExitStatus"] == "75"
    assert (host.root / "active/etc/hello.conf").read_text() == "port = 2\n"
    assert (host.root / "provisioner/pending").is_symlink()
