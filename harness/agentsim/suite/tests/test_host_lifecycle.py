"""The host's own life: its end, its log, its size, its tables that change."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsim.suite.hosts.http_client import Disconnected, basic
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.probe_files import PRINCIPAL, SECRET, Probes
from agentsim.suite.hosts.processes import of_request, wait_until
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]


@clause("ABI-LIFE-1", "ABI-LIFE-2")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end(
    own_host: Callable[..., Host],
    new_rendezvous: Callable[[], Rendezvous],
    request_id: str,
    tagged: Tagged,
    number: signal.Signals,
) -> None:
    host = own_host()
    whole, stream, first, second = (
        new_rendezvous(),
        new_rendezvous(),
        new_rendezvous(),
        new_rendezvous(),
    )
    with (
        host.connect() as a,
        host.connect() as b,
        host.connect() as c,
        host.connect() as d,
    ):
        a.request("GET", f"/leave/kill?dir={whole.dir}", tagged)
        b.request("GET", f"/stream/block?dir={stream.dir}&stdout=x", tagged)
        c.request("GET", f"/load/queue?dir={first.dir}", tagged)
        for rendezvous in (whole, stream, first):
            rendezvous.wait()
        d.request("GET", f"/load/queue?dir={second.dir}", tagged)
        assert b.head().status == 200
        assert b.chunk() == b"x"
        assert host.get("/load/say").body == b"said"
        host.signal(number)
        for connection in (a, c, d):
            answer = connection.response()
            assert (answer.status, answer.reason) == (503, "shutdown")
        assert whole.wait("ended") == "TERM"
        record = json.loads(b"".join(iter(b.chunk, b"")).splitlines()[-1])
        assert (record["record"], record["reason"]) == ("exit", "shutdown")
    # A Mesos agent dies of the signal that it was sent.
    assert host.wait() in (0, -number)
    assert not second.has("started")
    assert of_request(request_id) == []
    with pytest.raises(OSError, match="refused"):
        host.connect()


@clause("ABI-LIFE-3")
def test_a_sudden_end(
    own_host: Callable[..., Host],
    new_rendezvous: Callable[[], Rendezvous],
    request_id: str,
    tagged: Tagged,
) -> None:
    host, rendezvous = own_host(), new_rendezvous()
    with host.connect() as connection:
        connection.request("GET", f"/stream/drip?dir={rendezvous.dir}", tagged)
        head = connection.head()
        assert head.status == 200
        host.signal(signal.SIGKILL)
        host.wait()
        with pytest.raises(Disconnected):
            list(connection.pieces(head))
    again = own_host(port=host.address[1])
    assert again.get("/load/say").body == b"said"
    # The next thing that the command writes goes nowhere, and it learns of it.
    wait_until(lambda: not of_request(request_id), host.deadline, "the end of the command")


@clause("ABI-LIFE-4")
@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ("/probe/say?code=3", "3"),
        ("/probe/signal?signal=TERM", "SIGTERM"),
        ("/time/sleep", "timeout"),
        ("/stream/say?stdout=x&code=4", "4"),
        ("/plain/true", "0"),
        ("/broken-missing/run", "broken/missing"),
    ],
)
def test_every_invocation_is_one_line_in_the_log(
    logged: Host, request_id: str, tagged: Tagged, target: str, outcome: str
) -> None:
    logged.get(target, headers=tagged)
    route = target.partition("?")[0].removeprefix("/")

    def lines() -> list[str]:
        return [
            line
            for line in logged.log().splitlines()
            if request_id in line and route in line and outcome in line
        ]

    wait_until(lines, logged.deadline, f"a line with {request_id}, {route} and {outcome}")
    assert len(lines()) == 1
    assert re.search(r"\d\.\d+", lines()[0].replace(request_id, "")), "no seconds in the line"


@clause("ABI-LIFE-4")
def test_on_success_standard_error_is_in_the_log(logged: Host, request_id: str) -> None:
    logged.get("/probe/say", {"stderr": f"words-{request_id}"})
    wait_until(lambda: f"words-{request_id}" in logged.log(), logged.deadline, "words in the log")


@clause("ABI-LIFE-5")
def test_a_large_host_is_as_fast(own_host: Callable[..., Host]) -> None:
    small, large = own_host(), own_host(ballast=1024)
    times: dict[int, list[float]] = {0: [], 1: []}
    with small.connect() as a, large.connect() as b:
        for _ in range(40):
            for number, connection in enumerate((a, b)):
                asked = time.monotonic()
                connection.request("GET", "/plain/true")
                assert connection.response().status == 200
                times[number].append(time.monotonic() - asked)
    fastest = [min(times[number]) for number in (0, 1)]
    assert fastest[1] <= 2 * fastest[0]


@clause("ABI-LIFE-6")
def test_a_table_that_changes_is_old_or_new_and_never_bad(
    own_host: Callable[..., Host], probes: Probes, tmp_path: Path
) -> None:
    def table(word: str) -> str:
        route = {"path": "/say", "method": "GET", "argv": [word, word]}
        return json.dumps({"abi": 1, "process": "words", "command": ["echo"], "routes": [route]})

    def put(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").replace(file)

    tmp_path.chmod(0o755)
    file = tmp_path / "words.json"
    file.write_text(table("old"))
    host = own_host(tables=[file])
    seen = set()
    with host.connect() as connection:
        for number in range(100):
            if number == 25:
                put(table("new"))
            if number == 75:
                put(table("new")[:-5])
            connection.request("GET", "/words/say")
            answer = connection.response()
            assert answer.status == 200
            assert answer.body in (b"old old\n", b"new new\n")
            seen.add(answer.body)
    assert host.get("/words/say").body in seen


@clause("ABI-LIFE-7")
def test_metrics_count_what_routes_do(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    def counts() -> dict[str, int]:
        answer = local.get("/metrics/snapshot", headers=[basic(PRINCIPAL, SECRET)])
        found = json.loads(answer.body)
        return {
            f"{route}/{name}": int(found[f"commands/{route}/GET/{name}"])
            for route in ("load/queue", "stream/block")
            for name in ("started", "failed", "refused", "running", "waiting")
        }

    def await_change(change: dict[str, int]) -> None:
        expected = before | {name: before[name] + by for name, by in change.items()}
        wait_until(lambda: counts() == expected, local.deadline, f"{change}")

    before = counts()
    runs, waits, breaks = new_rendezvous(), new_rendezvous(), new_rendezvous()
    with local.connect() as first, local.connect() as second, local.connect() as third:
        first.request("GET", f"/load/queue?dir={runs.dir}")
        runs.wait()
        second.request("GET", f"/load/queue?dir={waits.dir}")
        assert local.get("/load/queue", {"dir": waits.dir, "unknown": "1"}).status == 400
        third.request("GET", f"/stream/block?dir={breaks.dir}&stdout=x&code=3")
        assert third.head().status == 200
        await_change(
            {
                "load/queue/started": 1,
                "load/queue/running": 1,
                "load/queue/waiting": 1,
                "load/queue/refused": 1,
                "stream/block/started": 1,
                "stream/block/running": 1,
            }
        )
        for rendezvous in (breaks, runs, waits):
            rendezvous.wait()
            rendezvous.go()
        assert first.response().status == second.response().status == 200
        await_change(
            {
                "load/queue/started": 2,
                "load/queue/refused": 1,
                "stream/block/started": 1,
                "stream/block/failed": 1,
            }
        )
