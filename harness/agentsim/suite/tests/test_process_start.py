"""How a command is started: program, directory, descriptors, signals, session, limits."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsim.suite.hosts.http_client import Response
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.processes import parse_stat, parse_status

clause = pytest.mark.clause


def home(host: Host) -> Path:
    """The directory in which the host's probe commands are."""
    return Path(host.get("/probe/where").text.strip()).parent


@clause("ABI-PROC-1")
def test_a_bare_name_is_looked_up_anew_at_each_start(local: Host) -> None:
    program = home(local) / "path" / "appearing"
    program.unlink(missing_ok=True)
    assert local.get("/appearing/run").reason == "start-failed"
    for word in ("one", "two"):
        program.write_text(f"#!/bin/sh\necho {word}\n")
        program.chmod(0o755)
        assert local.get("/appearing/run").body == f"{word}\n".encode()
        program.unlink()
    assert local.get("/appearing/run").reason == "start-failed"


@clause("ABI-PROC-2")
def test_the_working_directory_is_the_routes(host: Host) -> None:
    assert host.get("/probe/directory").body == b"/\n"
    assert host.get("/probe/directory/other").text == f"{home(host)}/commands\n"


def descriptors(listing: str) -> list[str]:
    """The numbers in a listing of /proc/self/fd, without that of the listing itself."""
    shown = re.findall(r"(\d+) -> (.*)$", listing, re.MULTILINE)
    assert len(shown) >= 4, listing
    return sorted(number for number, target in shown if not target.endswith("/fd"))


@clause("ABI-PROC-3")
@pytest.mark.parametrize("path", ["/probe/descriptors", "/limits/descriptors"])
def test_there_are_three_descriptors(host: Host, path: str) -> None:
    assert descriptors(host.get(path).text) == ["0", "1", "2"]


@clause("ABI-PROC-3")
def test_there_are_three_descriptors_with_many_at_once(host: Host) -> None:
    connections = [host.connect() for _ in range(64)]
    for connection in connections:
        connection.request("GET", "/probe/descriptors")
    for connection in connections:
        assert descriptors(connection.response().text) == ["0", "1", "2"]
        connection.close()


@clause("ABI-PROC-4")
@pytest.mark.parametrize("path", ["/probe/proc?name=status", "/limits/status"])
def test_signals_are_at_their_defaults(host: Host, path: str) -> None:
    fields = parse_status(host.get(path).text)
    for name in ("SigIgn", "SigBlk"):
        # 32 and 33 belong to the C library.
        assert int(fields[name], 16) & ~(3 << 31) == 0, (name, fields[name])


@clause("ABI-PROC-4")
def test_writing_to_nobody_ends_a_command(host: Host) -> None:
    answer = host.get("/probe/pipe")
    assert (answer.status, answer.body) == (200, b"y\n")


@clause("ABI-PROC-5")
@pytest.mark.parametrize("path", ["/probe/proc?name=stat", "/limits/session"])
def test_a_command_leads_session_and_group_without_a_terminal(host: Host, path: str) -> None:
    text = host.get(path).text
    _, _, group, session, terminal = parse_stat(text)[:5]
    assert group == session == text.split()[0]
    assert terminal == "0"


def limits(answer: Response) -> dict[str, tuple[str, str]]:
    """Soft and hard limits by name, from /proc/PID/limits."""
    lines = answer.text.splitlines()[1:]
    return {line[:25].strip(): (line[26:46].strip(), line[47:67].strip()) for line in lines}


@clause("ABI-PROC-6")
def test_limits_are_in_force_soft_and_hard(host: Host) -> None:
    found = limits(host.get("/limits/some"))
    assert found["Max address space"] == ("1073741824", "1073741824")
    assert found["Max cpu time"] == ("60", "60")
    assert found["Max file size"] == ("1048576", "1048576")
    assert found["Max open files"] == ("64", "64")
    assert found["Max processes"] == ("512", "512")
    assert found["Max core file size"] == ("0", "0")


@clause("ABI-PROC-6")
def test_a_limit_is_at_most_the_hosts_own(own_host: Callable[..., Host]) -> None:
    host = own_host(open_files=128)
    assert limits(host.get("/limits/more-than-there-is"))["Max open files"] == ("128", "128")


@clause("ABI-PROC-6")
def test_umask_and_niceness(host: Host) -> None:
    assert host.get("/limits/umask").body.strip() in (b"0027", b"027")
    plain, nicer = (
        int(parse_stat(host.get(path).text)[16])
        for path in ("/probe/proc?name=stat", "/limits/nice")
    )
    assert nicer == 7 and plain < 7


BROKEN = {
    "/broken-missing/run": ("broken/missing", "No such file"),
    "/broken-not-executable/run": ("broken/not-executable", "Permission denied|not executable"),
    "/broken-directory/run": ("broken/directory", "directory|Permission denied"),
    "/broken-dangling/run": ("broken/dangling", "No such file|interpreter"),
    "/broken-interpreter/run": ("broken/interpreter", "No such file|interpreter"),
    "/broken-place/directory": ("no/such/directory", "No such file"),
    "/broken-place/arguments": ("sh", "Argument list too long"),
}


@clause("ABI-PROC-12", "ABI-ERR-2")
@pytest.mark.parametrize("path", list(BROKEN))
def test_what_can_not_be_started_is_told_apart(host: Host, path: str) -> None:
    answer = host.get(path)
    assert (answer.status, answer.reason) == (500, "start-failed")
    assert list(answer.problem) == ["type", "title", "status", "detail", "request_id"]
    thing, why = BROKEN[path]
    assert thing in answer.problem["detail"]
    assert re.search(why, answer.problem["detail"]), answer.problem["detail"]


@clause("ABI-PROC-12")
def test_a_program_that_is_being_written_to_can_not_be_started(local: Host) -> None:
    program = home(local) / "broken" / "busy"
    with program.open("r+b"):
        answer = local.get("/broken-busy/run")
    assert (answer.status, answer.reason) == (500, "start-failed")
    assert str(program) in answer.problem["detail"]
    assert "Text file busy" in answer.problem["detail"]
    assert local.get("/broken-busy/run").status == 200


@clause("ABI-PROC-13", "ABI-PROC-12")
@pytest.mark.parametrize("code", [2, 13, 126, 127])
def test_a_command_may_exit_as_shells_and_hosts_do(host: Host, code: int) -> None:
    answer = host.get("/probe/say", {"code": code})
    assert (answer.status, answer.reason) == (500, "exit")
    assert answer.problem["exit_code"] == code


@clause("ABI-PROC-16", "ABI-STREAM-5")
@pytest.mark.parametrize(
    "target", ["/plain/true", "/stream/say?stdout=x", "/probe/zeros?bytes=70000"]
)
def test_no_polling_delays_the_answer(host: Host, target: str) -> None:
    with host.connect() as connection:
        times = []
        for _ in range(31):
            connection.request("GET", target)
            answer = connection.response()
            assert answer.status == 200
            times.append(answer.seconds)
    # A host that polls every 100 ms needs that long each time, one that lets the kernel wait for
    # more to send 40 ms; /bin/true needs one.
    assert statistics.quantiles(times, n=4)[0] < 0.03
