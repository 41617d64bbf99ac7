"""A command that restarts the service which it runs in itself, the agent's, under a real systemd.

The agent is a service of one of packager's own packages; it runs what is written to a fifo.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from agentsim.suite.hosts.processes import wait_until

from .systemd_machine import Machine

AGENT = """[Service]
Environment=VERSION={version}
KillMode={kill_mode}
ExecStart=/bin/sh /store/active/agent/run
"""
RUN = """#!/bin/sh
echo "$VERSION $(cat /store/active/etc/agent.conf 2>/dev/null)" >>VOLUME/starts
# One fifo for each start: nobody writes to that of the agent before.
fifo=/run/agent-$(wc -l <VOLUME/starts)
mkfifo $fifo
while :; do
    read -r line <$fifo
    sh -c "$line" >VOLUME/output 2>&1
    echo $? >VOLUME/code
done
"""
# In the place of systemctl: the first restart that is not waited for kills whoever asks for it.
KILLING = """#!/bin/sh
case "$*" in
*restart*--no-block*) mkdir /run/killed 2>/dev/null && { kill -9 $PPID; exit 1; };;
esac
exec /bin/systemctl.real "$@"
"""
ROLLOUT = "--revision={0} --rollout=o1 --attempt={1} --fence=1 --holder=c"


class Agent:
    """The service, and what it is told to run."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._code = machine.volume / "code"

    @property
    def starts(self) -> list[str]:
        """The version and the configuration of each start."""
        return (self.machine.volume / "starts").read_text().splitlines()

    def begin(self, command: str) -> None:
        """Have it run a command."""
        self._code.unlink(missing_ok=True)
        fifo = f"/run/agent-{len(self.starts)}"
        wait(lambda: self.machine.run("test", "-p", fifo)[0] == 0, "the agent's being up")
        self.machine.said("sh", "-c", f"echo '{command}' >{fifo}")

    def run(self, command: str) -> tuple[int, str]:
        """The exit status of a command that it runs, and what that has written."""
        self.begin(command)
        wait(lambda: self._code.exists() and self._code.read_text().strip(), "the command's end")
        return int(self._code.read_text()), (self.machine.volume / "output").read_text()


def wait(condition: Callable[[], Any], what: str) -> None:
    wait_until(condition, 60, what)


@pytest.fixture(params=["control-group", "process"])
def agent(machine: Machine, request: pytest.FixtureRequest) -> Agent:
    for version in (1, 2):
        unit = AGENT.format(version=version, kill_mode=request.param)
        run = RUN.replace("VOLUME", str(machine.volume))
        machine.add(f"agent--{version}", {"run": run, "units/agent.service": unit})
    return Agent(machine)


def kill_before_the_restart(machine: Machine) -> None:
    (machine.volume / "systemctl").write_text(KILLING)
    place = "$(readlink -f /bin/systemctl)"
    machine.said(
        "sh",
        "-c",
        f"mv {place} /bin/systemctl.real && install -m 755 {machine.volume}/systemctl {place}",
    )


def profile(machine: Machine, version: int, setting: str, **more: Any) -> str:
    """Write a profile; its path."""
    file = {"path": "etc/agent.conf", "content": setting, "restart": ["agent.service"]}
    path = machine.volume / f"{setting}.json"
    document = {
        "profile": 1,
        "name": "agent",
        "roles": [],
        "repositories": [],
        "packages": [f"agent--{version}"],
        "configuration": {"files": [file]},
        **more,
    }
    path.write_text(json.dumps(document))
    return str(path)


def provisioner(machine: Machine, *words: str) -> str:
    """Run it from outside of the agent; what it has said."""
    code, said = machine.run("provisioner", "--root=/store", *words)
    assert code == 0, said
    return said


def history(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(provisioner(machine, "history", "--format=json"))
    return found


@pytest.mark.parametrize("killed", [False, True])
def test_a_swap_restarts_its_agent_once(agent: Agent, killed: bool) -> None:
    machine = agent.machine
    machine.done("activate", "agent--1")
    wait(lambda: machine.run("test", "-e", str(machine.volume / "starts"))[0] == 0, "its start")
    if killed:
        kill_before_the_restart(machine)
    agent.begin("packager --root=/store swap agent--2")
    if killed:  # nothing has been restarted: the next command does what is left
        wait(lambda: machine.run("test", "-e", "/run/killed")[0] == 0, "the kill")
        assert agent.starts == ["1 "]
        agent.begin("packager --root=/store swap agent--2")
    wait(lambda: agent.starts == ["1 ", "2 "], "its being restarted")
    for _ in range(2):
        code, said = agent.run("packager --root=/store swap agent--2")
        assert code == 0, said
    assert agent.starts == ["1 ", "2 "]
    assert "agent--2" in machine.done("active")
    machine.done("verify")


def test_an_apply_of_a_rollout_restarts_its_agent_once_and_the_next_one_ends_it(
    agent: Agent,
) -> None:
    machine = agent.machine
    first = profile(machine, 1, "one")
    provisioner(machine, "apply", first)
    wait(lambda: machine.run("test", "-e", str(machine.volume / "starts"))[0] == 0, "its start")
    second = profile(machine, 2, "two")
    agent.begin(f"provisioner --root=/store apply {ROLLOUT.format('r2', 1)} {second}")
    wait(lambda: agent.starts == ["1 one", "2 two"], "its being restarted")
    code, said = agent.run(f"provisioner --root=/store apply {ROLLOUT.format('r2', 2)} {second}")
    assert code == 0, said
    assert agent.starts == ["1 one", "2 two"]
    told = history(machine)
    assert told["request"]["state"] == "ended" and told["request"]["exit_code"] == 0
    provisioner(machine, "status")
    code, said = agent.run(f"provisioner --root=/store apply {ROLLOUT.format('r2', 3)} {second}")
    assert code == 0, said
    assert agent.starts == ["1 one", "2 two"]


@pytest.mark.parametrize("agent", ["control-group"], indirect=True)
@pytest.mark.parametrize("killed", [False, True])
def test_a_way_back_restarts_the_agent_too(agent: Agent, killed: bool) -> None:
    machine = agent.machine
    first = profile(machine, 1, "one")
    provisioner(machine, "apply", first)
    wait(lambda: machine.run("test", "-e", str(machine.volume / "starts"))[0] == 0, "its start")
    unhealthy = {"retries": 3, "interval": 2, "http": [{"url": "http://127.0.0.1:9/"}]}
    second = profile(machine, 1, "two", health=unhealthy)
    agent.begin(f"provisioner --root=/store apply {ROLLOUT.format('r2', 1)} {second}")
    wait(lambda: agent.starts == ["1 one", "1 two"], "its being restarted")
    if killed:
        kill_before_the_restart(machine)
    agent.begin(f"provisioner --root=/store apply {ROLLOUT.format('r2', 2)} {second}")
    if killed:
        wait(lambda: machine.run("test", "-e", "/run/killed")[0] == 0, "the kill")
        wait(lambda: history(machine)["request"]["state"] != "running", "its end")
        assert agent.starts == ["1 one", "1 two"]
        agent.begin(f"provisioner --root=/store apply {first}")
    wait(lambda: agent.starts == ["1 one", "1 two", "1 one"], "its being restarted again")
    code, said = agent.run(f"provisioner --root=/store apply {first}")
    assert code == 0, said
    provisioner(machine, "status")
    assert agent.starts == ["1 one", "1 two", "1 one"]
