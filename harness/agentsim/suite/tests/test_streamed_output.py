"""Output that is delivered as a stream, and the exit record at its end."""

from __future__ import annotations

import json
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Callable

import pytest

from agentsim.suite.hosts.http_client import Disconnected
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.memory_use import GRANTED, MIB, bounded
from agentsim.suite.hosts.processes import of_request, wait_until, wait_while_working
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]
RECORD = re.compile(
    rb'\{"abi":1,"record":"exit","request_id":"[A-Za-z0-9._-]{1,64}",'
    rb'"exit_code":(\d+|null),"signal":(null|"SIG[A-Z0-9]+"),"reason":"[a-z-]+",'
    rb'"seconds":\d+\.\d{3},"stderr":"([^"\\]|\\.)*"\}\n'
)


@clause("ABI-STREAM-1", "ABI-STREAM-4")
def test_the_head_comes_with_the_first_byte(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    silent, speaking = new_rendezvous(), new_rendezvous()
    with local.connect() as connection:
        connection.request("GET", f"/stream/block?dir={silent.dir}")
        silent.wait()
        with pytest.raises(TimeoutError):
            connection.receive(within=0.2)
        silent.go()
        head = connection.head()
        assert (head.status, head.chunked) == (200, True)
        assert b"".join(connection.pieces(head)).startswith(b"done\n")
        connection.request("GET", f"/stream/block?dir={speaking.dir}&stdout=x")
        head = connection.head()  # the command waits all the time
        assert (head.status, head.chunked) == (200, True)
        assert head.get("Content-Type") == "application/x-ndjson"
        assert connection.chunk() == b"x"
        assert not speaking.has("finished")
        speaking.go()


@clause("ABI-STREAM-2", "ABI-EXIT-1")
@pytest.mark.parametrize(("code", "status"), [(66, 404), (75, 503), (3, 500), (64, 400)])
def test_a_failure_before_the_first_byte_has_its_status(host: Host, code: int, status: int) -> None:
    answer = host.get("/stream/say", {"code": code, "stderr": "why"})
    assert (answer.status, answer.reason) == (status, "exit")
    assert (answer.problem["exit_code"], answer.problem["stderr"]) == (code, "why")
    assert not answer.head.chunked


@clause("ABI-STREAM-2")
def test_an_end_by_the_host_before_the_first_byte_has_its_status(host: Host) -> None:
    answer = host.get("/stream/sleep")
    assert (answer.status, answer.reason) == (504, "timeout")
    assert host.get("/stream/signal", {"signal": "KILL"}).reason == "signal"
    assert host.get("/stream/say/otherwise", {"code": 4}).status == 409


@clause("ABI-STREAM-3", "ABI-STREAM-8")
def test_a_success_without_output_is_the_exit_record_alone(host: Host) -> None:
    answer = host.get("/stream/say")
    assert RECORD.fullmatch(answer.body)
    assert (answer.record["exit_code"], answer.record["reason"]) == (0, "exit")
    assert host.get("/stream/say/otherwise", {"code": 3}).record["exit_code"] == 3


@clause("ABI-STREAM-5")
def test_single_bytes_are_passed_on_at_once(local: Host, rendezvous: Rendezvous) -> None:
    count = 25
    with local.connect() as connection:
        connection.request("GET", f"/stream/bounce?dir={rendezvous.dir}&count={count}")
        rendezvous.wait()
        times = []
        for number in range(count):
            rendezvous.go()
            started = time.monotonic()
            if number == 0:
                assert connection.head().status == 200
            # The command writes no other byte before this one has arrived.
            assert connection.chunk() == b"x"
            times.append(time.monotonic() - started)
        assert RECORD.fullmatch(b"".join(iter(connection.chunk, b""))[1:])
    assert statistics.median(times) < 0.1


@clause("ABI-STREAM-6", "ABI-STREAM-7")
@pytest.mark.parametrize("text", ["a", "a\n", "a\nb", "\n", "\r", '{"a":1}\n', "é"])
def test_the_exit_record_is_the_last_line_and_its_own(host: Host, text: str) -> None:
    with host.connect() as connection:
        connection.request(
            "GET", "/stream/say?stdout=" + "".join(f"%{b:02x}" for b in text.encode())
        )
        answer = connection.response()
        expected = text.encode() + (b"" if text.endswith("\n") else b"\n")
        assert answer.body.startswith(expected)
        assert RECORD.fullmatch(answer.body[len(expected) :])
        connection.request("GET", "/plain/true")  # nothing follows: the next answer is whole
        assert connection.response().status == 200


@clause("ABI-STREAM-8", "ABI-ERR-6")
def test_the_members_of_the_exit_record(host: Host, request_id: str, tagged: Tagged) -> None:
    query = {"stdout": "x", "stderr": 'a"b\\c\nd', "code": 3}
    record = host.get("/stream/say", query, tagged).record
    assert list(record) == [
        *("abi", "record", "request_id", "exit_code", "signal", "reason", "seconds", "stderr")
    ]
    assert record["request_id"] == request_id
    assert (record["exit_code"], record["signal"]) == (3, None)
    assert record["stderr"] == 'a"b\\c\nd'
    assert 0 <= record["seconds"] < host.deadline


@clause("ABI-STREAM-9", "ABI-TIME-9")
def test_the_reason_in_the_exit_record(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    assert local.get("/stream/say", {"stdout": "x"}).record["reason"] == "exit"
    rendezvous = new_rendezvous()
    record = local.get("/stream/notice", {"dir": rendezvous.dir, "stdout": "x"}).record
    assert (record["reason"], record["exit_code"], record["signal"]) == ("timeout", 9, None)
    rendezvous = new_rendezvous()
    record = local.get("/stream/ignore", {"dir": rendezvous.dir, "stdout": "x"}).record
    assert (record["reason"], record["exit_code"], record["signal"]) == ("timeout", None, "SIGKILL")


@clause("ABI-STREAM-10")
def test_a_stream_that_is_cut_has_no_exit_record(
    own_host: Callable[..., Host], new_rendezvous: Callable[[], Rendezvous]
) -> None:
    host, rendezvous = own_host(), new_rendezvous()
    with host.connect() as connection:
        connection.request("GET", f"/stream/block?dir={rendezvous.dir}&stdout=x")
        assert connection.head().status == 200
        assert connection.chunk() == b"x"
        host.signal(signal.SIGKILL)
        with pytest.raises(Disconnected):
            connection.chunk()


@clause("ABI-STREAM-11")
def test_a_stream_ends_at_its_limit(local: Host, new_rendezvous: Callable[[], Rendezvous]) -> None:
    size = 16 * MIB
    answer = local.get("/stream/limited", {"bytes": size})
    assert (answer.record["reason"], len(answer.output)) == ("exit", size + 1)
    answer = local.get("/stream/limited", {"bytes": size + 1})
    assert (answer.record["reason"], len(answer.output)) == ("output-limit", size + 1)
    for text in ("12345", "123456789"):
        rendezvous = new_rendezvous()
        query = {"dir": rendezvous.dir, "stdout": text}
        answer = local.get("/stream/limited/notice", query)
        assert rendezvous.wait("ended") == "TERM"
        assert (answer.output, answer.record["exit_code"]) == (b"1234\n", 9)
        assert answer.record["reason"] == "output-limit"


@clause("ABI-STREAM-12")
def test_a_failure_after_the_first_byte_is_in_the_exit_record(host: Host) -> None:
    answer = host.get("/stream/say", {"stdout": "x\n", "stderr": "why", "code": 66})
    assert (answer.status, answer.output) == (200, b"x\n")
    assert (answer.record["exit_code"], answer.record["stderr"]) == (66, "why")


@clause("ABI-STREAM-13")
def test_a_reader_that_stops_costs_little_and_holds_up_nobody(
    local: Host, pid: int, request_id: str, tagged: Tagged
) -> None:
    with bounded(pid, GRANTED + 16 * MIB), local.connect() as connection:
        connection.small_window()
        connection.request("GET", f"/stream/limited?bytes={64 * MIB}", tagged)
        wait_until(connection.readable, local.deadline, "the start of its answer")
        wait_while_working(pid, lambda: not of_request(request_id), local.deadline, "its end")
        assert local.get("/load/say").body == b"said"


@clause("ABI-STREAM-14", "ABI-OUT-5")
def test_a_line_that_looks_like_an_exit_record_is_output(host: Host) -> None:
    forged = '{"abi":1,"record":"exit","request_id":"x","exit_code":0,"signal":null}\n'
    answer = host.get("/stream/say", {"stdout": forged, "code": 5})
    assert answer.output == forged.encode()
    assert answer.record["exit_code"] == 5


@clause("ABI-STREAM-4", "ABI-STREAM-6")
def test_64_mib_arrive_byte_by_byte(host: Host) -> None:
    size = 64 * MIB
    answer = host.get("/stream/sequence", {"bytes": size})
    expected = subprocess.run(
        ["sh", "-c", f"seq 1 1000000000 2>&- | head -c {size}"], capture_output=True, check=False
    ).stdout
    assert answer.output.rstrip(b"\n") == expected.rstrip(b"\n")
    assert json.loads(answer.body.splitlines()[-1])["exit_code"] == 0
