"""A real systemd as the first process of a container: services as packager has them there."""

from __future__ import annotations

import json
import time

from .systemd_machine import Machine

VALUE = "$(touch /pwned) `id` \"q\" 'q'\nB=2 \\ #;%h $HOME"

WEB = """[Service]
EnvironmentFile=/store/active/environment
User=dcos_web
ExecStart=/bin/sh -c 'exec /store/active/web/run {}'
"""
FAILING = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo it burns; exit 3'\n"
# Started, as far as systemd tells at once.
DYING = "[Service]\nExecStart=/bin/sh -c 'echo so soon; exit 4'\n"
UNITS = "/etc/systemd/system"
SLEEP = "[Service]\nExecStart=/bin/sleep infinity\n"


def test_the_life_of_services_under_a_real_systemd(machine: Machine) -> None:
    info = {"environment": {"VALUE": VALUE}, "username": "dcos_web", "state_directory": True}
    run = "#!/bin/sh\necho up > /var/lib/dcos/web/up\nexec sleep infinity\n"
    machine.add("web--1", {"run": run, "dcos.target.wants/web.service": WEB.format(1)}, info)
    machine.add("web--2", {"run": run, "dcos.target.wants/web.service": WEB.format(2)}, info)
    machine.add("web--3", {"run": run, "dcos.target.wants/web.service": FAILING}, info)
    machine.add("web--4", {"run": run, "dcos.target.wants/web.service": DYING}, info)
    machine.add("db--1", {"units/db.service": SLEEP})

    machine.done("activate", "web--1", "db--1")
    assert machine.active("web", "db") == ["active", "active"]
    assert machine.said("systemctl", "is-enabled", "dcos.target") == "enabled\n"
    assert machine.said("stat", "-c", "%U", "/var/lib/dcos/web") == "dcos_web\n"
    web, db = machine.show("web", "MainPID"), machine.show("db", "MainPID")
    environ = machine.said("cat", f"/proc/{web}/environ").split("\0")
    assert f"VALUE={VALUE}" in environ
    assert machine.run("test", "-e", "/pwned")[0] == 1

    machine.done("swap", "web--2")
    assert machine.show("db", "MainPID") == db
    assert machine.show("web", "MainPID") not in (web, "0")
    assert machine.active("web", "db") == ["active", "active"]

    code, said = machine.packager("swap", "--rollback-on-failure", "web--3")
    assert code == 74, said
    assert "web.service: failed (exit-code)" in said and "it burns" in said
    assert "web--2" in machine.done("active")
    assert machine.active("web", "db") == ["active", "active"]
    assert machine.show("db", "MainPID") == db

    code, said = machine.packager("swap", "--rollback-on-failure", "web--4")
    assert (code, "so soon" in said) == (74, True), said
    assert machine.active("web", "db") == ["active", "active"]

    web = machine.show("web", "MainPID")
    machine.done("rollback", "1")
    assert "web--1" in machine.done("active")
    assert machine.show("db", "MainPID") == db
    assert machine.show("web", "MainPID") not in (web, "0")

    machine.running.container.restart(timeout=5)
    machine.await_boot()
    assert machine.active("web", "db") == ["active", "active"]
    machine.done("verify")

    machine.done("deactivate", "web")
    assert machine.active("web", "db") == ["inactive", "active"]
    assert machine.said("ls", "/etc/systemd/system/dcos.target.wants") == "db.service\n"


def test_units_that_are_stopped_fail_or_are_edited_are_seen_and_repaired(machine: Machine) -> None:
    """Only those that should run: not what is done, waits for a timer, or has no reason to."""
    units = {
        "units/web.service": SLEEP,
        "units/once.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
        "units/job.service": "[Service]\nExecStart=/bin/true\n",
        "units/job.timer": "[Timer]\nOnCalendar=*-*-* 03:00:00\n",
        "units/none.service": f"[Unit]\nConditionPathExists=/nonexistent\n{SLEEP}",
    }
    machine.add("web--1", units)
    profile = {"profile": 1, "name": "web", "roles": [], "repositories": [], "packages": ["web"]}
    (machine.volume / "web.json").write_text(json.dumps(profile))

    def provisioner(*words: str) -> tuple[int, str]:
        return machine.run("provisioner", "--root=/store", *words)

    def differing() -> list[str]:
        code, said = provisioner("status", "--format=ndjson")
        told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert code == (0 if told[-1]["in_sync"] else 65), said
        return [each["subject"] for each in told[:-1]]

    assert provisioner("apply", f"{machine.volume}/web.json")[0] == 0
    assert differing() == []
    for harm, expected in (
        (["systemctl", "stop", "web.service"], "web.service"),
        (["systemctl", "kill", "--signal=KILL", "web.service"], "web.service"),
        (["systemctl", "stop", "job.timer"], "job.timer"),
        (["sh", "-c", f"echo '#' >> {UNITS}/web.service"], f"{UNITS}/web.service"),
        (
            ["rm", f"{UNITS}/dcos.target.wants/web.service"],
            f"{UNITS}/dcos.target.wants/web.service",
        ),
    ):
        machine.said(*harm)
        deadline = time.monotonic() + 30
        while not differing() and time.monotonic() < deadline:
            time.sleep(0.1)  # until systemd knows
        assert differing() == [expected]
        code, said = provisioner("apply")
        assert code == 0, said
        assert differing() == []
        assert machine.active("web", "job.timer") == ["active", "active"]
