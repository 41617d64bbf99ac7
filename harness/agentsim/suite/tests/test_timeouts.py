"""Time-outs: who is ended, how, when, and what is said of it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.processes import of_request, wait_until
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]


@clause("ABI-TIME-1")
def test_sigterm_comes_at_the_time_out(local: Host, rendezvous: Rendezvous) -> None:
    answer = local.get("/time/notice", {"dir": rendezvous.dir, "code": 3})
    assert (answer.status, answer.reason) == (504, "timeout")
    assert rendezvous.wait("ended") == "TERM"  # by its own hand: nobody killed it
    assert answer.problem["seconds"] >= 0.5
    assert answer.problem["stderr"] == "was asked to end\n"


@clause("ABI-TIME-1", "ABI-TIME-2")
@pytest.mark.parametrize("path", ["/time/family", "/time/deaf-family"])
def test_the_whole_group_is_ended(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged, path: str
) -> None:
    answer = local.get(path, {"dir": rendezvous.dir}, tagged)
    assert answer.reason == "timeout"
    assert answer.problem["signal"] == ("SIGTERM" if path == "/time/family" else "SIGKILL")
    wait_until(lambda: not of_request(request_id), local.deadline, "the end of all")


@clause("ABI-TIME-2")
def test_sigkill_comes_after_the_grace(local: Host, rendezvous: Rendezvous) -> None:
    answer = local.get("/time/ignore", {"dir": rendezvous.dir})
    assert (answer.status, answer.problem["signal"]) == (504, "SIGKILL")
    assert answer.problem["seconds"] >= 1.0  # half a second of time, half a second of grace
    assert not rendezvous.has("finished")


@clause("ABI-TIME-3")
def test_a_stopped_process_can_act_on_sigterm(local: Host, rendezvous: Rendezvous) -> None:
    answer = local.get("/time/stop", {"dir": rendezvous.dir})
    assert (answer.status, answer.problem["exit_code"]) == (504, 3)
    assert rendezvous.wait("ended") == "TERM"


@clause("ABI-TIME-4")
@pytest.mark.parametrize("text", ["0.3", "0.30", "0.300", "000000.3", "00.001"])
def test_the_query_may_ask_for_less_time(host: Host, text: str) -> None:
    answer = host.get("/time/sleep/long", {"timeout": text})
    assert (answer.status, answer.reason) == (504, "timeout")
    assert answer.seconds < 20


@clause("ABI-TIME-4")
def test_the_query_never_gets_more_time(host: Host) -> None:
    answer = host.get("/time/sleep", {"timeout": 999999})
    assert answer.reason == "timeout"
    assert answer.problem["seconds"] < 20


@clause("ABI-TIME-5")
@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0.000", "-1", "+1", "1.", ".5", "1e3", "inf", "nan", "1s", " 1", "1 ", "0x1"),
        *("1.0000", "1000000", "1,5", "٣"),
    ],
)
def test_what_is_no_time_is_refused(host: Host, text: str) -> None:
    answer = host.get("/time/say", {"timeout": text})
    assert (answer.status, answer.reason) == (400, "bad-parameter")
    assert "timeout" in answer.problem["detail"]


@clause("ABI-TIME-6")
def test_a_silent_command_is_ended(host: Host) -> None:
    answer = host.get("/time/idle")
    assert (answer.status, answer.reason) == (504, "idle-timeout")
    assert answer.problem["signal"] == "SIGTERM"
    assert answer.problem["seconds"] < 20


@clause("ABI-TIME-6")
def test_a_command_that_writes_to_standard_error_is_not_silent(
    local: Host, rendezvous: Rendezvous
) -> None:
    answer = local.get(
        "/time/chatter", {"dir": rendezvous.dir, "count": 15}
    )  # one and a half seconds
    assert (answer.status, answer.body) == (200, b"done\n")


@clause("ABI-TIME-7")
def test_a_jump_of_the_clock_ends_nothing(
    own_host: Callable[..., Host], new_rendezvous: Callable[[], Rendezvous], tmp_path: Path
) -> None:
    clock, rendezvous = tmp_path / "jump", new_rendezvous()
    host = own_host(clock=clock)
    with host.connect() as connection:
        connection.request("GET", f"/probe/block?dir={rendezvous.dir}")
        rendezvous.wait()
        clock.touch()  # a day later
        assert host.get("/load/say").body == b"said"
        assert host.get("/time/idle").reason == "idle-timeout"
        clock.unlink()  # a day earlier
        assert host.get("/time/sleep").reason == "timeout"
        rendezvous.go()
        assert connection.response().body == b"done\n"


@clause("ABI-TIME-8")
def test_the_time_does_not_run_while_the_body_is_on_the_way(host: Host) -> None:
    with host.connect() as connection:
        connection.request("POST", "/time/body", [("Content-Length", "2")])
        connection.send(b"x")
        assert host.get("/time/sleep").reason == "timeout"  # as long as its own
        connection.send(b"x")
        assert connection.response().body.strip() == b"2"


@clause("ABI-TIME-8", "ABI-ENV-7")
def test_the_time_does_not_run_while_a_place_is_waited_for(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    first, second = new_rendezvous(), new_rendezvous()
    with local.connect() as running, local.connect() as waiting:
        running.request("GET", f"/time/queued?dir={first.dir}")
        first.wait()
        waiting.request("GET", f"/time/queued?dir={second.dir}&timeout=1")
        started = time.monotonic()
        while time.monotonic() < started + 1.2:
            local.get("/load/say")
        first.go()
        assert running.response().body == b"done\n"
        second.wait()
        second.go()
        assert waiting.response().body == b"done\n"


@clause("ABI-TIME-9")
@pytest.mark.parametrize("code", [0, 3])
def test_the_hosts_reason_stays_though_the_command_exits(
    local: Host, rendezvous: Rendezvous, code: int
) -> None:
    answer = local.get("/time/notice", {"dir": rendezvous.dir, "code": code})
    assert (answer.status, answer.reason) == (504, "timeout")
    assert answer.problem["exit_code"] == code
    assert "signal" not in answer.problem


@clause("ABI-TIME-1", "ABI-EXIT-4")
def test_sigterm_of_somebody_else_is_no_time_out(local: Host, rendezvous: Rendezvous) -> None:
    with local.connect() as connection:
        connection.request("GET", f"/probe/block?dir={rendezvous.dir}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(local.process(rendezvous.wait()), signal.SIGTERM)
        answer = connection.response()
    assert (answer.status, answer.reason) == (500, "signal")
