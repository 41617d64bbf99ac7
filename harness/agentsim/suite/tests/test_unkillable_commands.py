"""Commands that became another user's under a host that may not kill these."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.probe_files import Probes
from agentsim.suite.hosts.processes import of_request, wait_until, zombies
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]
#: After which SIGKILL is sent.
PATIENCE = 0.4


@pytest.fixture
def host(own_host: Callable[..., Host], probes: Probes) -> Iterator[Host]:
    """A host whose commands become root's, which it is not."""
    block = ["block", "--dir={dir}", "--stdout={stdout}"]
    common = {
        "method": "GET",
        "argv": block,
        "parameters": {"dir": {"type": "string"}, "stdout": {"type": "string"}},
        "concurrency": 1,
    }
    table = {
        "abi": 1,
        "process": "became",
        "command": ["setpriv", "--reuid=0", "/bin/sh", f"{probes.directory}/commands/probe"],
        "defaults": {"timeout": 0.2, "grace": PATIENCE - 0.2},
        "routes": [
            {"path": "/root", **common},
            {"path": "/stream", **common, "response": {"delivery": "stream"}},
            {"path": "/patient", **common, "timeout": 600},
        ],
    }
    # Where the host's user can read it.
    file = probes.directory / f"became-{os.urandom(4).hex()}.json"
    file.write_text(json.dumps(table))
    yield own_host(tables=[file], unprivileged=True)
    file.unlink()


@pytest.fixture
def stubborn(request_id: str) -> Iterator[Callable[[], list[int]]]:
    """The processes of this test's request; those that are left are killed at its end."""
    yield lambda: of_request(request_id)
    for pid in of_request(request_id):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@clause("ABI-PROC-18", "ABI-PROC-7", "ABI-PROC-10")
def test_a_command_that_cannot_be_killed_is_answered_and_keeps_its_place(
    host: Host,
    rendezvous: Rendezvous,
    stubborn: Callable[[], list[int]],
    request_id: str,
    tagged: Tagged,
) -> None:
    answer = host.get("/became/root", {"dir": rendezvous.dir}, tagged)
    assert (answer.status, answer.reason) == (504, "timeout")
    assert "exit_code" not in answer.problem and "signal" not in answer.problem
    assert answer.problem["detail"] == (
        "The command ran for longer than 0.2 s and can't be killed (EPERM, Operation not permitted:"
        " it has become another user's). It wrote nothing to stderr."
    )
    assert answer.problem["seconds"] >= PATIENCE
    assert stubborn(), "it was killed: this host may do more than it should"
    wait_until(lambda: "EPERM" in host.log(), host.deadline, "EPERM in the log")
    busy = host.get("/became/root", {"dir": rendezvous.dir})
    assert (busy.status, busy.reason) == (503, "busy")
    rendezvous.wait()
    rendezvous.go()
    wait_until(lambda: not stubborn(), host.deadline, "the command's end")
    rendezvous.forget()
    assert host.pid
    wait_until(
        lambda: host.get("/became/root", {"dir": rendezvous.dir}).status == 504,
        host.deadline,
        "a free place",
    )
    assert not zombies(host.pid)
    rendezvous.wait()
    rendezvous.go()


@clause("ABI-PROC-18", "ABI-STREAM-8")
def test_the_exit_record_of_a_command_that_cannot_be_killed(
    host: Host, rendezvous: Rendezvous, stubborn: Callable[[], list[int]], tagged: Tagged
) -> None:
    answer = host.get("/became/stream", {"dir": rendezvous.dir, "stdout": "x"}, tagged)
    record = answer.record
    assert (record["exit_code"], record["signal"], record["reason"]) == (None, None, "timeout")
    assert record["seconds"] >= PATIENCE
    assert answer.output == b"x\n"
    assert stubborn()


@clause("ABI-PROC-18", "ABI-LIFE-1")
def test_a_command_that_cannot_be_killed_does_not_hold_up_the_hosts_end(
    host: Host, rendezvous: Rendezvous, stubborn: Callable[[], list[int]], tagged: Tagged
) -> None:
    with host.connect() as connection:
        connection.request("GET", f"/became/patient?dir={rendezvous.dir}", tagged)
        rendezvous.wait()
        host.signal(signal.SIGTERM)
        answer = connection.response()
    assert (answer.status, answer.reason) == (503, "shutdown")
    assert "EPERM" in answer.problem["detail"]
    assert host.wait() in (0, -signal.SIGTERM)
    assert stubborn()
