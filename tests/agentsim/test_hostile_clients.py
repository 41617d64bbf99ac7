"""Clients that would have the simulated agent for themselves: it stays small, and others get in."""

from __future__ import annotations

import gzip
import os
import resource
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from agentsim.suite.hosts.processes import resident, wait_until
from agentsim.wire.request_parser import Parser, Request

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

MIB = 1 << 20
STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
HELP = b"GET /help HTTP/1.1\n\n"
LONG_HELP = b"GET /help HTTP/1.1\nX: %s\n\n" % (b"x" * 1000)  # the kernel buffers few of these
Start = Callable[..., Simulator]


def table(directory: Path, **more: Any) -> Path:
    route = {"path": "/say", "response": {"type": "text/plain"}, **more}
    return shell_table(directory, "echo said", route)


def connect(host: Simulator) -> socket.socket:
    name, _, port = host.url.removeprefix("http://").partition(":")
    return socket.create_connection((name, int(port)), timeout=60)


def say(host: Simulator) -> str:
    return requests.get(f"{host.url}/t/say", timeout=60).text


class Reader(threading.Thread):
    """Counts the answers that come on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self.answers = 0

    def run(self) -> None:
        end = b""
        with suppress(OSError):  # the test has closed it
            while data := self._connection.recv(MIB):
                self.answers += (end + data).count(STATUS_LINE)
                end = (end + data)[1 - len(STATUS_LINE) :]


def test_a_burst_of_requests_keeps_nobody_waiting(simulator: Start, tmp_path: Path) -> None:
    host = simulator(table(tmp_path))
    count = 2000
    with connect(host) as greedy:
        reader = Reader(greedy)
        reader.start()
        greedy.sendall(HELP * count)
        assert say(host) == "said\n"
        assert reader.answers < count, "all of them were answered first"
        wait_until(lambda: reader.answers == count, 300, "all answers")


def test_who_reads_no_answers_is_not_read_from(simulator: Start, tmp_path: Path) -> None:
    host = simulator(table(tmp_path))
    say(host)
    before = resident(host.pid)
    with connect(host) as rude:
        rude.settimeout(0)
        sent, most = 0, 16 * MIB
        # Not writable for as long as it takes to answer somebody else ten times over.
        while sent < most and (select.select([], [rude], [], 2)[1] or not still(host)):
            sent += rude.send(LONG_HELP * 100)
        assert sent < most
        assert resident(host.pid) - before < 32 * MIB
        rude.settimeout(60)
        reader = Reader(rude)
        reader.start()
        rude.sendall(LONG_HELP[sent % len(LONG_HELP) :])
        wait_until(lambda: reader.answers == sent // len(LONG_HELP) + 1, 300, "all answers")


def still(host: Simulator) -> bool:
    return [say(host) for _ in range(10)] == ["said\n"] * 10


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("target", "status"),
    [("/t/say", 401), ("/nobody", 404), ("/t/other", 413), ("/t/upload?x=1", 400)],
)
def test_nothing_is_decompressed_that_nobody_wants(
    simulator: Start, tmp_path: Path, target: str, status: int
) -> None:
    routes = (
        {"path": "/say", "realm": "r"},
        {"path": "/other"},
        {"path": "/upload", "stdin": "body", "max_body": 100},
    )
    credentials = tmp_path / "credentials"
    credentials.write_text("alice secret\n")
    credentials.chmod(0o600)
    path = shell_table(tmp_path, "cat", *({**r, "method": "POST"} for r in routes))
    host = simulator(path, f"--credentials={credentials}")
    bomb = gzip.compress(bytes(200 * MIB), 9)
    before = processor_seconds(host.pid)
    answer = requests.post(
        f"{host.url}{target}", bomb, headers={"Content-Encoding": "gzip"}, timeout=60
    )
    assert answer.status_code == status
    # To decompress all of it takes half a second; looks for an answer to others end the body.
    assert requests.get(f"{host.url}/nobody", timeout=60).status_code == 404
    assert processor_seconds(host.pid) - before < 0.25


def test_a_head_that_does_not_come_is_not_waited_for(simulator: Start, tmp_path: Path) -> None:
    host = simulator(table(tmp_path), "--head-timeout=0.5")
    with connect(host) as slow, connect(host) as kept:
        slow.sendall(b"GET /nobody HTTP/1.1\r\nX: ")
        closed = False
        while not closed:
            kept.sendall(b"GET /nobody HTTP/1.1\r\n\r\n")
            assert b"404" in kept.recv(MIB), "a connection between requests was closed"
            try:
                slow.sendall(b"x")
                closed = bool(select.select([slow], [], [], 0.05)[0]) and not slow.recv(1)
            except OSError:
                closed = True


def test_a_client_that_went_without_a_word_is_noticed(simulator: Start, tmp_path: Path) -> None:
    """proc_net_tcp(5): timer 2 is that of keep-alive."""
    host = simulator(table(tmp_path))
    with connect(host) as connection:
        connection.sendall(b"GET /nobody HTTP/1.1\r\n\r\n")
        assert connection.recv(MIB)
        ours, theirs = (
            f":{p[1]:04X}" for p in (connection.getsockname(), connection.getpeername())
        )
        timers = [
            fields[5].partition(":")[0]
            for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
            if fields[1].endswith(theirs) and fields[2].endswith(ours)
        ]
    assert timers == ["02"]


@pytest.mark.parametrize("sent", [b"", b"GET /nobody HTTP/1.1\r\nX: ", b"POST /t/say HTTP/1.1\r\n"])
def test_idle_connections_make_room(simulator: Start, tmp_path: Path, sent: bytes) -> None:
    if sent.startswith(b"POST"):
        sent += b"Content-Length: 10\r\n\r\n"
    host = simulator(table(tmp_path, method=["GET", "POST"], stdin="body"))
    resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (200, 200))
    with connect(host) as kept:
        idle = []
        for _ in range(300):
            idle.append(connect(host))
            idle[-1].sendall(sent)
            if len(idle) % 10 == 0:
                kept.sendall(b"GET /nobody HTTP/1.1\r\n\r\n")
                assert kept.recv(MIB), "one that was in use was closed"
        for _ in range(10):
            assert say(host) == "said\n"
        for each in idle:
            each.close()
    assert "connections that were idle longest are closed" in host.log.read_text()


class Deaf:
    """Hears nothing."""

    def on_request(self, request: Request) -> None: ...
    def takes_body(self) -> bool:
        return False

    def on_body(self, data: bytes) -> None: ...
    def on_end(self) -> None: ...
    def on_body_failure(self, reason: str) -> None: ...


@pytest.mark.parametrize(
    ("begin", "byte"),
    [
        (b"GET http://", b"a"),
        (b"GET http://h/", b"a"),
        (b"GET /", b"a"),
        (b"GET /", b" "),
        (b"GET / HTTP/1.0", b"0"),
        (b"GET / HTTP/1.1\r\n", b"a"),
        (b"GET / HTTP/1.1\r\na: ", b"a"),
    ],
)
def test_a_head_that_comes_byte_by_byte_costs_as_much_at_its_end(begin: bytes, byte: bytes) -> None:
    parser = Parser(Deaf())
    parser.feed(begin)

    def cost() -> float:
        before = time.process_time()
        for _ in range(1000):
            parser.feed(byte)
        return time.process_time() - before

    first = min(cost() for _ in range(5))
    for _ in range(20):
        cost()
    assert min(cost() for _ in range(5)) < 3 * first
