"""The request's body and the command's standard input."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable

import pytest

from agentsim.suite.hosts.http_client import Connection, request_bytes
from agentsim.suite.hosts.kinds import NOBODYS_USER, Host
from agentsim.suite.hosts.memory_use import GRANTED, MIB, bounded
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause


def chunked(path: str, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A POST with its body in chunks."""
    head = request_bytes("POST", path, [("Transfer-Encoding", "chunked")])
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def started_nothing(host: Host, rendezvous: Rendezvous) -> None:
    """What the host has received it has handled, once a later command has ended."""
    assert host.get("/load/say").body == b"said"
    assert not rendezvous.has("started")


@clause("ABI-STDIN-1")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_body_standard_input_is_dev_null(host: Host, method: str) -> None:
    assert host.ask(method, "/probe/stdin/none").body == b"/dev/null\n0\n"


@clause("ABI-STDIN-2", "ABI-OUT-1")
@pytest.mark.parametrize(
    "body",
    [b"x", b"\r\n", bytes(range(256)), b"\0" * 65536, b"y" * 65537, bytes(range(251)) * 8000],
    ids=len,
)
def test_a_body_arrives_as_it_is(host: Host, body: bytes) -> None:
    assert host.post("/probe/echo", body).body == body
    with host.connect() as connection:
        middle = len(body) // 2 or 1
        connection.send(chunked("/probe/echo", *filter(None, (body[:middle], body[middle:]))))
        assert connection.response().body == body


# Each user may have so many pages in pipes before each further pipe gets but one or two (pipe(7)).
HOARD = """
import os
pages = int(open("/proc/sys/fs/pipe-user-pages-soft").read())
kept = [os.pipe() for _ in range(pages // 16 + 8)]
print("full", flush=True)
input()
"""


@clause("ABI-STDIN-2", "ABI-LOAD-4")
def test_a_body_passes_when_pipes_are_small(own_host: Callable[..., Host]) -> None:
    host = own_host(processes=200)  # as a user of its own, without rights
    user = f"{NOBODYS_USER}"
    words = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", sys.executable]
    with subprocess.Popen(
        [*words, "-c", HOARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as hoard:
        assert hoard.stdout
        if hoard.stdout.readline() != b"full\n":
            pytest.skip("another user can't run this Python, or have so many pipes")
        assert host.post("/probe/count", b"x" * 65536).body.strip() == b"65536"
        assert host.get("/load/say").body == b"said"


@clause("ABI-STDIN-3")
def test_a_command_starts_when_its_body_is_there(local: Host, rendezvous: Rendezvous) -> None:
    with local.connect() as connection:
        request = request_bytes("POST", f"/probe/count/hold?dir={rendezvous.dir}", (), b"x" * 1000)
        connection.send(request[:-1])
        started_nothing(local, rendezvous)
        connection.send(request[-1:])
        rendezvous.wait()
        rendezvous.go()
        assert connection.response().body == b"done\n"


@clause("ABI-STDIN-4", "ABI-ROUTE-14")
def test_a_body_over_the_limit_is_refused(local: Host, rendezvous: Rendezvous) -> None:
    assert local.post("/probe/count/small", b"x" * 1000).body.strip() == b"1000"
    answer = local.post("/probe/count/small", b"x" * 1001)
    assert (answer.status, answer.reason) == (413, "body-too-large")
    path = f"/probe/count/hold?dir={rendezvous.dir}"
    with local.connect() as connection:
        connection.send(chunked(path, b"x" * 999, b"xx"))
        assert connection.response().reason == "body-too-large"
    started_nothing(local, rendezvous)


@clause("ABI-STDIN-5")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_no_body_is_taken_a_byte_is_too_much(host: Host, method: str) -> None:
    answer = host.ask(method, "/probe/stdin/none", body=b"x")
    assert (answer.status, answer.reason) == (413, "body-too-large")
    assert host.ask(method, "/probe/stdin/none", body=b"").status == 200


@clause("ABI-STDIN-6")
@pytest.mark.parametrize("path", ["/probe/count/small", "/probe/stdin/none"])
def test_a_declared_length_is_refused_before_the_body(host: Host, path: str) -> None:
    with host.connect() as connection:
        connection.request("POST", path, [("Content-Length", str(1 << 40))])
        answer = connection.response()
        assert (answer.status, answer.reason) == (413, "body-too-large")


@clause("ABI-STDIN-7", "ABI-STDIN-2")
def test_a_body_of_512_mib_takes_no_memory(host: Host, pid: int) -> None:
    piece, count = b"x" * MIB, 512
    with bounded(pid), host.connect() as connection:
        connection.request("POST", "/probe/count", [("Content-Length", str(MIB * count))])
        for _ in range(count):
            connection.send(piece)
        assert connection.response().body.strip() == b"%d" % (MIB * count)


@clause("ABI-STDIN-8")
@pytest.mark.parametrize("size", [1, 60_000, 8 * MIB])
@pytest.mark.parametrize("path", ["/probe/unread", "/probe/half"])
def test_a_body_need_not_be_read(host: Host, path: str, size: int) -> None:
    answer = host.post(path, b"x" * size)
    expected = b"done" if path == "/probe/unread" else b"%d" % min(size, 1000)
    assert (answer.status, answer.body.strip()) == (200, expected)


@clause("ABI-STDIN-9")
def test_16_mib_go_through_a_command_and_back(host: Host) -> None:
    body = bytes(range(256)) * (16 * MIB // 256)
    assert host.post("/probe/echo", body).body == body


@clause("ABI-STDIN-2", "ABI-STDIN-9")
def test_a_body_is_read_once_every_time(host: Host) -> None:
    body = bytes(range(256)) * 600
    for _ in range(60):  # a rewound file shows only if the command is quick
        assert host.post("/probe/echo", body).body == body


@clause("ABI-STDIN-10")
@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nxx\r\n0\r\n\r\n",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"ffffffffffffffffffff\r\nx\r\n0\r\n\r\n",
        b"1\r\nx\r\n0\r\nX-Trailer: 1\r\n\r\n",
    ],
)
def test_a_malformed_body_starts_nothing(local: Host, rendezvous: Rendezvous, body: bytes) -> None:
    with local.connect() as connection:
        path = f"/probe/count/hold?dir={rendezvous.dir}"
        head = request_bytes("POST", path, [("Transfer-Encoding", "chunked")])
        connection.send(head + body)
        answer = connection.response()
        assert (answer.status, answer.body) == (500, b"failed to decode body")
    started_nothing(local, rendezvous)


@clause("ABI-STDIN-10")
def test_a_length_that_lies_starts_nothing(local: Host, rendezvous: Rendezvous) -> None:
    path = f"/probe/count/hold?dir={rendezvous.dir}"
    for headers in (
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
        [("Content-Length", "-5")],
        [("Content-Length", "5x")],
        [("Content-Length", "9" * 30)],
    ):
        with local.connect() as connection:
            connection.send(request_bytes("POST", path, headers) + b"hello")
            assert connection.closed(), headers
    started_nothing(local, rendezvous)


@clause("ABI-STDIN-10", "ABI-DISC-3")
def test_a_body_that_is_cut_starts_nothing(local: Host, rendezvous: Rendezvous) -> None:
    path = f"/probe/count/hold?dir={rendezvous.dir}"

    def begin() -> Connection:
        connection = local.connect()
        connection.send(request_bytes("POST", path, (), b"x" * 500)[:-1])
        return connection

    never = begin()
    cut, reset, half = begin(), begin(), begin()
    cut.close()
    reset.reset()
    half.half_close()
    started_nothing(local, rendezvous)
    never.close()


@clause("ABI-STDIN-11")
def test_an_empty_body_is_the_end_at_once(host: Host) -> None:
    assert host.post("/probe/echo", b"").body == b""
    assert host.ask("POST", "/probe/echo").body == b""
    assert host.ask("GET", "/probe/echo").body == b""
    with host.connect() as connection:
        connection.send(chunked("/probe/echo"))
        assert connection.response().body == b""


@clause("ABI-STDIN-12")
def test_a_gzip_body_arrives_decompressed(host: Host) -> None:
    header = [("Content-Encoding", "gzip")]
    body = bytes(range(256)) * 1000
    assert host.post("/probe/echo", gzip.compress(body), headers=header).body == body
    answer = host.post("/probe/count/small", gzip.compress(b"x" * 1000), headers=header)
    assert answer.body.strip() == b"1000"
    answer = host.post("/probe/count/small", gzip.compress(b"x" * 1001), headers=header)
    assert (answer.status, answer.reason) == (413, "body-too-large")


@clause("ABI-STDIN-12", "ABI-STDIN-7")
def test_a_gzip_body_that_swells_is_stopped(host: Host, pid: int) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    swelling = b"".join(packer.compress(b"\0" * MIB) for _ in range(512)) + packer.flush()
    # libprocess decompresses what it reads at once, up to 80 KiB: some may swell a thousandfold.
    with bounded(pid, GRANTED + 84 * MIB), host.connect() as connection:
        head = [("Content-Encoding", "gzip")]
        sender = threading.Thread(
            target=connection.request, args=("POST", "/probe/count/small", head, swelling)
        )
        sender.start()
        assert connection.response().reason == "body-too-large"
        sender.join()
