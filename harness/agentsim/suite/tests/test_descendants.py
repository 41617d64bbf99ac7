"""What becomes of everything that a command starts: no survivor, no zombie, no stray signal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsim.suite.hosts import Host
from agentsim.suite.hosts.processes import of_request, wait_until, zombies
from agentsim.suite.tests.rendezvous import Rendezvous
from agentsim.suite.tests.reused_process_ids import innocent

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]


def nobody_left(host: Host, request_id: str) -> None:
    """Wait for the kernel to take away what was killed; fails if something was not."""
    wait_until(lambda: not of_request(request_id), host.deadline, "the end of all processes")


def sleepers() -> set[int]:
    """The processes `sleep 60` that have nothing in their environment."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (place / "cmdline").read_bytes()
            if command == b"sleep\00060\0" and not (place / "environ").read_bytes():
                found.add(int(place.name))
    return found


@clause("ABI-PROC-7", "ABI-PROC-9")
@pytest.mark.parametrize("code", [0, 3])
def test_an_invocation_ends_with_its_own_process(
    local: Host, request_id: str, tagged: Tagged, code: int
) -> None:
    answer = local.get("/tree/background", {"code": code}, tagged)
    assert answer.seconds < 20, "the host waited for a process that stayed in the background"
    assert answer.status == (200 if code == 0 else 500)
    if code == 0:
        assert answer.body == b"done\n"
    nobody_left(local, request_id)


@clause("ABI-PROC-8")
@pytest.mark.parametrize("path", ["/tree/session", "/tree/orphan"])
def test_who_left_the_group_and_holds_the_pipes_is_killed(
    local: Host, request_id: str, tagged: Tagged, path: str
) -> None:
    answer = local.get(path, headers=tagged)
    assert (answer.status, answer.body) == (200, b"done\n")
    assert answer.seconds < 10, "the host waited for the pipes"  # two seconds, on a busy machine
    nobody_left(local, request_id)


@clause("ABI-PROC-8")
def test_who_holds_the_pipes_is_known_without_its_environment(local: Host) -> None:
    before = sleepers()
    answer = local.get("/tree/nameless")
    assert (answer.status, answer.body) == (200, b"done\n")
    wait_until(lambda: sleepers() <= before, local.deadline, "the end of all processes")


def stranger() -> subprocess.Popen[bytes]:
    """A process of ours that takes the standard output of whoever it is told, and keeps it."""
    script = 'read -r pid && exec 9>"/proc/$pid/fd/1" && echo "$pid" && exec sleep 60 <&- >&-'
    return subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@clause("ABI-PROC-8", "ABI-PROC-11")
@pytest.mark.parametrize("early", [True, False], ids=["began before", "began after"])
def test_who_was_handed_the_pipes_and_is_no_descendant_is_left_alone(
    local: Host, rendezvous: Rendezvous, *, early: bool
) -> None:
    def kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.communicate()

    started = [stranger()] if early else []
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(local.connect())
        connection.request("GET", f"/probe/block?dir={rendezvous.dir}")
        pid = local.process(rendezvous.wait())
        process = started[0] if early else stranger()
        stack.callback(kill, process)
        assert process.stdin and process.stdout
        process.stdin.write(b"%d\n" % pid)
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline() == b"%d\n" % pid
        rendezvous.go()
        answer = connection.response()
        assert (answer.status, answer.body) == (200, b"done\n")
        if local.log_file is not None and local.process("1") == 1:
            named = f"({process.pid}) holds the command's output and is left alone"
            wait_until(lambda: named in local.log(), local.deadline, f"{named!r} in the log")
        assert process.poll() is None, "an unrelated process was killed"


@clause("ABI-PROC-17")
def test_no_fork_of_the_host_has_a_pipe_of_a_command(own_host: Callable[..., Host]) -> None:
    host = own_host(forks=True)

    def forks() -> int:
        return int((re.findall(r"^forks: (\d+)", host.log(), re.MULTILINE) or ["0"])[-1])

    first = seen = forks()
    end = time.monotonic() + host.deadline
    with host.connect() as connection:
        # Beside commands that follow upon another; as many as it takes for forks to meet them.
        while seen < first + 60:
            connection.request("GET", "/plain/true")
            assert connection.response().status == 200
            if (now := forks()) > seen:
                seen, end = now, time.monotonic() + host.deadline
            assert time.monotonic() < end, "the host does not fork, or does not say so"
    assert re.findall(r"^fork .*", host.log(), re.MULTILINE) == []


@clause("ABI-PROC-11")
def test_nobody_is_killed_for_the_same_request_id(
    local: Host, request_id: str, tagged: Tagged
) -> None:
    assert local.get("/tree/daemon", {"count": 60}, tagged).status == 200  # of an earlier request
    (daemon,) = of_request(request_id)
    try:
        assert local.get("/tree/session", headers=tagged).status == 200
        wait_until(
            lambda: of_request(request_id) in ([daemon], []), local.deadline, "the end of the other"
        )
        assert of_request(request_id) == [daemon]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon, signal.SIGKILL)


@clause("ABI-PROC-9")
@pytest.mark.parametrize("path", ["/time/family", "/time/deaf-family"])
def test_three_generations_end_together(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged, path: str
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"{path}?dir={rendezvous.dir}", tagged)
        rendezvous.wait()
        wait_until(lambda: len(of_request(request_id)) >= 4, local.deadline, "a family")
        assert connection.response().reason == "timeout"
    nobody_left(local, request_id)


@clause("ABI-PROC-6", "ABI-PROC-9")
def test_a_fork_bomb_ends_with_its_route_and_harms_no_other(
    local: Host, request_id: str, tagged: Tagged
) -> None:
    with local.connect() as connection:
        connection.request("GET", "/tree/crowd?count=6", tagged)
        assert local.get("/load/say").body == b"said"
        assert connection.response().reason == "timeout"
    nobody_left(local, request_id)
    assert local.get("/load/say").body == b"said"


@clause("ABI-PROC-6")
def test_the_number_of_processes_can_be_limited(own_host: Callable[..., Host]) -> None:
    host = own_host(processes=200)
    answer = host.get("/limits/forks")  # twenty processes allowed, a hundred wanted
    assert (answer.status, answer.problem.get("exit_code")) == (500, 2)
    assert "fork" in answer.problem["stderr"]
    assert host.get("/load/say").body == b"said"


@clause("ABI-PROC-10")
def test_no_zombie_stays(local: Host, pid: int, new_rendezvous: Callable[[], Rendezvous]) -> None:
    with local.connect() as connection:
        for _ in range(200):
            connection.request("GET", "/plain/true")
            assert connection.response().status == 200
    with contextlib.ExitStack() as stack:
        hurried = [stack.enter_context(local.connect()) for _ in range(40)]
        for connection in hurried:
            connection.request("GET", "/time/sleep")
        left = [(local.connect(), new_rendezvous()) for _ in range(20)]
        for connection, rendezvous in left:
            connection.request("GET", f"/leave/kill?dir={rendezvous.dir}")
        for connection, rendezvous in left:
            rendezvous.wait()
            connection.close()
        for _, rendezvous in left:
            rendezvous.wait("ended")
        for connection in hurried:
            assert connection.response().status == 504
    for path in ("/tree/background", "/tree/session", "/tree/orphan"):
        local.get(path)
    # The host's only: what is nobody's child any more belongs to init.
    wait_until(lambda: not zombies(pid), local.deadline, "the end of the last zombie")


@clause("ABI-PROC-11")
def test_no_signal_reaches_who_has_the_number_next(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    if local.process("1") != 1:
        pytest.skip("the host has process ids of its own, which nobody else can get")
    for _ in range(10):
        rendezvous = new_rendezvous()
        with local.connect() as connection:
            # Its time-out would come half a second after its start, its SIGKILL another half later.
            connection.request("GET", f"/time/block?dir={rendezvous.dir}")
            pid = int(rendezvous.wait())
            rendezvous.go()
            assert connection.response().body == b"done\n"
            with innocent(pid) as process:
                if process is None:
                    continue  # somebody else got the number
                end = time.monotonic() + 1.5  # no event tells of a signal that is not sent
                connection.close()
                while time.monotonic() < end:
                    assert process.poll() is None, "a signal went to another process"
                    local.get("/plain/true")
                return
    pytest.skip("the same process id was never to be had again")


@clause("ABI-PROC-15", "ABI-LIFE-3")
def test_a_daemon_does_not_hold_the_port(
    own_host: Callable[..., Host], request_id: str, tagged: Tagged
) -> None:
    host = own_host()
    assert host.get("/tree/daemon", {"count": 60}, tagged).status == 200
    daemons = of_request(request_id)
    host.stop()
    try:
        again = own_host(port=host.address[1])
        assert again.get("/load/say").body == b"said"
    finally:
        for daemon in daemons:
            with contextlib.suppress(ProcessLookupError):
                os.kill(daemon, signal.SIGKILL)
    assert daemons, "the daemon was ended: this proves nothing"
