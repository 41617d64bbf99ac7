"""Output that is delivered as a whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.memory_use import MIB, bounded
from agentsim.suite.hosts.processes import descriptors, of_request, wait_until, wait_while_working
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]


@clause("ABI-OUT-1")
@pytest.mark.parametrize("text", ["no newline", "a\n", "\n\n", "\r\n", "é", "\x01"])
def test_the_body_is_the_output(host: Host, text: str) -> None:
    answer = host.get("/probe/say", {"stdout": text})
    assert (answer.status, answer.body) == (200, text.encode())
    assert answer.head.get("Content-Type") == "text/plain"
    assert answer.head.get("Content-Length") == str(len(text.encode()))


@clause("ABI-OUT-1")
def test_every_byte_value_passes(host: Host) -> None:
    answer = host.get("/probe/bytes")
    assert (answer.body, answer.head.get("Content-Type")) == (
        bytes(range(256)),
        "application/octet-stream",
    )


@clause("ABI-OUT-1", "ABI-OUT-8")
def test_256_mib_arrive_byte_by_byte_and_take_no_memory(host: Host, pid: int) -> None:
    size = 256 * MIB
    expected = subprocess.Popen(
        ["sh", "-c", f"seq 1 1000000000 2>&- | head -c {size}"], stdout=subprocess.PIPE
    )
    assert expected.stdout
    with bounded(pid), host.connect() as connection, expected.stdout as numbers:
        connection.request("GET", f"/probe/sequence?bytes={size}")
        head = connection.head()
        assert (head.status, head.get("Content-Length")) == (200, str(size))
        for piece in connection.pieces(head):
            assert piece == numbers.read(len(piece))
        assert numbers.read(1) == b""
    expected.wait()


@clause("ABI-OUT-2")
def test_the_answer_waits_for_the_end_and_has_its_status(
    local: Host, rendezvous: Rendezvous
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"/probe/block?dir={rendezvous.dir}&stdout=output&code=66")
        rendezvous.wait()
        with pytest.raises(TimeoutError):
            connection.receive(within=0.2)
        rendezvous.go()
        answer = connection.response()
    assert (answer.status, answer.problem["exit_code"]) == (404, 66)


@clause("ABI-OUT-3", "ABI-OUT-4")
def test_a_flooded_standard_error_holds_nothing_up(host: Host) -> None:
    answer = host.get("/probe/noise", {"bytes": 64 * MIB})
    assert (answer.status, answer.body) == (200, b"after\n")


@clause("ABI-OUT-3")
def test_a_command_ends_though_nobody_reads(local: Host, request_id: str, tagged: Tagged) -> None:
    with local.connect() as connection:
        connection.small_window()
        connection.request("GET", f"/probe/zeros?bytes={64 * MIB}", tagged)
        wait_until(connection.readable, local.deadline, "the start of its answer")
        wait_until(lambda: not of_request(request_id), local.deadline, "its end")
        assert local.get("/load/say").body == b"said"


@clause("ABI-OUT-4")
def test_standard_error_is_not_in_the_body(host: Host) -> None:
    answer = host.get("/probe/say", {"stdout": "data", "stderr": "words"})
    assert (answer.status, answer.body) == (200, b"data")


@clause("ABI-OUT-5")
@pytest.mark.parametrize(
    "text",
    [
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        "Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\n<p>",
        "Content-type: text/html\n\nhello",
        "0\r\n\r\n",
        '{"abi":1,"record":"exit","exit_code":3}\n',
    ],
)
def test_output_that_looks_like_something_else_is_output(host: Host, text: str) -> None:
    answer = host.get("/probe/say", {"stdout": text})
    assert (answer.status, answer.body) == (200, text.encode())
    assert answer.head.get("Content-Type") == "text/plain"


@clause("ABI-OUT-6")
@pytest.mark.parametrize("path", ["/probe/close", "/probe/close/stdout"])
def test_a_closed_output_is_no_end(local: Host, rendezvous: Rendezvous, path: str) -> None:
    with local.connect() as connection:
        connection.request("GET", f"{path}?dir={rendezvous.dir}")
        rendezvous.wait("closed")
        with pytest.raises(TimeoutError):
            connection.receive(within=0.2)
        rendezvous.go()
        answer = connection.response()
    assert (answer.status, answer.problem["exit_code"]) == (500, 7)
    assert answer.problem.get("stderr") == ("still here\n" if "stdout" in path else None)


@clause("ABI-OUT-7")
def test_too_much_output_ends_the_command(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged
) -> None:
    assert len(local.get("/probe/zeros/limited", {"bytes": 100_000}).body) == 100_000
    for size in (100_001, 256 * MIB):
        answer = local.get("/probe/zeros/limited", {"bytes": size})
        assert (answer.status, answer.reason) == (500, "output-limit")
    # one that would go on for ever
    query = {"dir": rendezvous.dir, "stdout": "12345"}
    answer = local.get("/probe/block/limited", query, tagged)
    assert (answer.status, answer.reason) == (500, "output-limit")
    assert not rendezvous.has("finished")
    wait_until(lambda: not of_request(request_id), local.deadline, "its end")


@clause("ABI-OUT-8", "ABI-OUT-11")
def test_1_gib_to_a_client_that_does_not_read_takes_no_memory(
    local: Host, pid: int, request_id: str, tagged: Tagged
) -> None:
    with bounded(pid), local.connect() as connection:
        connection.small_window()
        connection.request("GET", f"/probe/zeros?bytes={1024 * MIB}", tagged)
        wait_until(lambda: of_request(request_id), local.deadline, "its start")
        wait_while_working(pid, lambda: not of_request(request_id), local.deadline, "its end")
        assert connection.head().get("Content-Length") == str(1024 * MIB)


@clause("ABI-OUT-9")
def test_a_full_disk_ends_the_command_and_is_said(own_host: Callable[..., Host]) -> None:
    host = own_host(spool_limit=1)
    answer = host.get("/probe/zeros", {"bytes": 64 * MIB})
    assert (answer.status, answer.reason) == (503, "spool-full")
    assert answer.head.get("Retry-After") == "1"
    answer = host.post("/probe/count", b"x" * (2 * MIB))
    assert (answer.status, answer.reason) == (503, "spool-full")
    assert answer.head.get("Retry-After") == "1"
    # What was given up makes room for others; a client may have all of an answer before the host
    # has closed its file.
    for _ in range(5):
        wait_until(
            lambda: host.get("/probe/zeros", {"bytes": 900_000}).body == bytes(900_000),
            host.deadline,
            "room for output",
        )
        wait_until(
            lambda: host.post("/probe/count", b"x" * 900_000).body.strip() == b"900000",
            host.deadline,
            "room for a body",
        )


@clause("ABI-OUT-9")
def test_a_body_takes_room_as_long_as_its_command_runs(
    own_host: Callable[..., Host], new_rendezvous: Callable[[], Rendezvous]
) -> None:
    host, rendezvous, body = own_host(spool_limit=1), new_rendezvous(), b"x" * 900_000
    with host.connect() as connection:
        connection.request("POST", f"/leave/body?dir={rendezvous.dir}", body=body)
        rendezvous.wait()
        answer = host.post("/probe/count", body)
        assert (answer.status, answer.reason) == (503, "spool-full")
        rendezvous.go()
        assert connection.response().status == 200
    wait_until(lambda: host.post("/probe/count", body).status == 200, host.deadline, "room")


@clause("ABI-OUT-10")
def test_no_output_is_an_empty_body(host: Host) -> None:
    answer = host.get("/plain/true")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.head.get("Content-Length") == "0"
    assert answer.head.get("Content-Type") == "application/json"


@clause("ABI-OUT-11")
def test_nothing_stays_on_the_disk(local: Host, pid: int, rendezvous: Rendezvous) -> None:
    def files() -> list[str]:
        return [where for where in descriptors(pid) if "(deleted)" in where]

    assert len(local.get("/probe/zeros", {"bytes": MIB}).body) == MIB
    assert local.post("/probe/unread", b"x" * MIB).status == 200
    assert local.get("/probe/zeros/limited", {"bytes": MIB}).status == 500
    with local.connect() as connection:  # one that never fetches its answer
        connection.small_window()
        connection.request("GET", f"/probe/zeros?bytes={16 * MIB}")
        local.get("/load/say")
    with local.connect() as connection:  # one that never sends all of its body
        connection.request("POST", "/probe/count", [("Content-Length", str(2 * MIB))])
        connection.send(b"x" * MIB)
        local.get("/load/say")
    wait_until(lambda: not files(), local.deadline, "an empty disk")
    if local.spool is not None:
        assert list(Path(local.spool).iterdir()) == []


@clause("ABI-OUT-12")
@pytest.mark.parametrize(
    "target",
    ["/probe/json", "/probe/bytes", "/plain/true", "/probe/zeros?bytes=100000", "/probe/head"],
)
def test_a_success_has_only_the_headers_it_needs(host: Host, target: str) -> None:
    assert sorted(host.get(target).head.names) == ["Content-Length", "Content-Type", "Date"]
