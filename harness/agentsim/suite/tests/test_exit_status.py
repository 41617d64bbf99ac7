"""How a command ended, and the status that this is."""

from __future__ import annotations

import pytest

from agentsim.suite.hosts.kinds import Host

clause = pytest.mark.clause

STATUSES = {64: 400, 65: 400, 66: 404, 69: 503, 73: 409, 75: 503, 76: 502, 77: 403}
# libprocess, src/http.cpp
PHRASES = {
    200: "OK",
    201: "Created",
    203: "Non-Authoritative Information",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    410: "Gone",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


@clause("ABI-EXIT-1", "ABI-EXIT-6", "ABI-ERR-1")
def test_every_exit_status_has_its_own(host: Host) -> None:
    with host.connect() as connection:
        for code in range(256):
            connection.request("GET", f"/probe/say?stdout=output&code={code}")
            answer = connection.response()
            assert answer.status == (STATUSES.get(code, 500) if code else 200), code
            assert answer.head.phrase == PHRASES[answer.status]
            if code:
                assert (answer.reason, answer.problem["exit_code"]) == ("exit", code)


@clause("ABI-EXIT-2")
@pytest.mark.parametrize(
    ("code", "status"), [(77, 404), (66, 410), (1, 503), (65, 400), (2, 500), (75, 409)]
)
def test_a_route_may_say_otherwise(host: Host, code: int, status: int) -> None:
    answer = host.get("/probe/say/otherwise", {"code": code, "stdout": "x"})
    assert (answer.status, answer.reason) == (status, "exit")
    assert answer.head.get("Retry-After") is None or code == 75


@clause("ABI-EXIT-3")
@pytest.mark.parametrize(("code", "status"), [(0, 201), (3, 203), (64, 200)])
def test_where_the_status_is_a_success_the_body_is_the_output(
    host: Host, code: int, status: int
) -> None:
    answer = host.get("/probe/say/otherwise", {"code": code, "stdout": "output", "stderr": "words"})
    assert (answer.status, answer.body) == (status, b"output")
    assert answer.head.get("Content-Type") == "application/octet-stream"
    assert answer.head.phrase == PHRASES[status]


SIGNALS = [
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2"),
    *("PIPE", "ALRM", "TERM", "XCPU", "XFSZ", "VTALRM", "PROF", "SYS"),
]


@clause("ABI-EXIT-4", "ABI-EXIT-2")
@pytest.mark.parametrize("name", SIGNALS)
def test_death_by_a_signal_is_no_exit(host: Host, name: str) -> None:
    # The route's `statuses` names 137 and 15, which some would take for SIGKILL and SIGTERM.
    answer = host.get("/probe/signal", {"signal": name})
    assert (answer.status, answer.reason) == (500, "signal")
    assert answer.problem["signal"] == f"SIG{name}"
    assert "exit_code" not in answer.problem


@clause("ABI-EXIT-4")
def test_an_exit_over_128_is_no_death_by_a_signal(host: Host) -> None:
    answer = host.get("/probe/say", {"code": 137})
    assert (answer.reason, answer.problem["exit_code"]) == ("exit", 137)
    assert "signal" not in answer.problem


@clause("ABI-EXIT-5")
def test_only_what_will_pass_is_to_be_tried_again(host: Host) -> None:
    assert host.get("/probe/say", {"code": 75}).head.get("Retry-After") == "1"
    assert host.get("/probe/say", {"code": 69}).head.get("Retry-After") is None
