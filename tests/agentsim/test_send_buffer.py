"""What clients do not take: bounded memory, the disk for the rest, and not one byte lost of it."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agentsim.run.send_buffer import MAX_BYTES_IN_MEMORY, SendBuffer
from agentsim.run.spool import Spool
from agentsim.suite.hosts.http_client import Connection
from agentsim.suite.hosts.memory_use import MIB, bounded
from agentsim.suite.hosts.processes import wait_while_working

from tests.conftest import Simulator

SECONDS = 60.0
CLIENTS = 8
LINES = 2_000_000  # 14,888,896 bytes with their ends: less than a route allows by itself


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


@pytest.fixture
def host(
    simulator: Callable[..., Simulator], tmp_path: Path, spool: Path
) -> Callable[..., Simulator]:
    """Starts an agent with a route that counts, one that never ends, and a small one."""
    routes: list[dict[str, Any]] = [
        {"path": "/count", "argv": [f"exec seq {LINES}"]},
        {"path": "/endless", "argv": ["exec yes"], "response": {"max_bytes": 1 << 30}},
        {"path": "/small", "argv": ["echo small"]},
    ]
    for route in routes:
        route["method"] = "GET"
        route["response"] = {"delivery": "stream", **route.get("response", {})}
    table = tmp_path / "say.json"
    policy = {"concurrency": 32, "timeout": 600}
    document = {"abi": 1, "process": "say", "command": ["sh", "-c"], "routes": routes}
    table.write_text(json.dumps({**document, "defaults": policy}))
    # The client calls every host `probe`.
    return lambda *options: simulator(table, f"--spool-dir={spool}", "--allow-host=probe", *options)


@contextlib.contextmanager
def unread(host: Simulator, path: str, count: int) -> Iterator[list[Connection]]:
    """Clients that have asked, and read nothing yet."""
    address, port = host.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(Connection((address, int(port)), SECONDS)) for _ in range(count)
        ]
        for client in clients:
            client.request("GET", path)
        yield clients


def ended(host: Simulator, count: int) -> None:
    """Wait until so many commands have ended."""
    wait_while_working(
        host.pid,
        lambda: host.log.read_text().count(" exit 0 ") >= count,
        SECONDS,
        f"{count} commands' ends",
    )


def test_clients_that_read_late_get_everything_and_cost_little(
    host: Callable[..., Simulator],
) -> None:
    agent = host()
    with (
        bounded(agent.pid, 48 * MIB),
        unread(agent, "/say/count", CLIENTS) as clients,
    ):
        ended(agent, CLIENTS)
        expected = "".join(f"{number}\n" for number in range(1, LINES + 1)).encode()
        for client in clients:
            answer = client.response()
            output, record = answer.body[: len(expected)], answer.body[len(expected) :]
            assert output == expected
            assert json.loads(record)["exit_code"] == 0


def test_a_stream_that_does_not_fit_on_the_disk_is_ended_and_says_so(
    host: Callable[..., Simulator],
) -> None:
    agent = host("--spool-limit=16")
    with bounded(agent.pid, 48 * MIB), unread(agent, "/say/endless", 3) as clients:
        for client in clients:
            assert client.response().record["reason"] == "spool-full"
    with unread(agent, "/say/small", 1) as (client,):
        assert client.response().record["exit_code"] == 0


@pytest.mark.parametrize("seed", range(20))
def test_everything_comes_out_as_it_went_in(spool: Path, seed: int) -> None:
    chance = random.Random(seed)
    of = Spool(spool, 32 << 20)
    buffers = [SendBuffer(of) for _ in range(3)]
    expected = [bytearray() for _ in buffers]
    of.buffered = MAX_BYTES_IN_MEMORY - 200_000  # of others
    for _ in range(400):
        number = chance.randrange(len(buffers))
        buffer, waits = buffers[number], expected[number]
        if chance.random() < 0.6:
            data = chance.randbytes(chance.choice((1, 7, 5_000, 65_536, 300_000)))
            buffer.write(data)
            waits += data
        while buffer and chance.random() < 0.5:
            taken = buffer.read()
            assert taken
            assert waits.startswith(taken)
            del waits[: len(taken)]
        assert buffer.size == len(waits)
        assert of.buffered <= MAX_BYTES_IN_MEMORY
    for buffer, waits in zip(buffers, expected, strict=True):
        if chance.random() < 0.5:
            while buffer:
                taken = buffer.read()
                assert waits.startswith(taken)
                del waits[: len(taken)]
            assert not waits
        buffer.close()
        buffer.close()
    assert (of.buffered, of.used) == (MAX_BYTES_IN_MEMORY - 200_000, 0)


def test_what_has_no_room_on_the_disk_is_kept_and_told(spool: Path) -> None:
    of = Spool(spool, 100_000)
    of.buffered = MAX_BYTES_IN_MEMORY
    buffer = SendBuffer(of)
    buffer.write(b"a" * 90_000)
    assert buffer.size == 90_000
    assert of.buffered == MAX_BYTES_IN_MEMORY  # on the disk, so far
    buffer.write(b"b" * 20_000)
    assert buffer.refusal == "the spool's limit of 100000 bytes is reached"
    buffer.write(b"c" * 10_000)
    out = b"".join(iter(lambda: bytes(buffer.read()) if buffer else b"", b""))
    assert out == b"a" * 90_000 + b"b" * 20_000 + b"c" * 10_000
    assert (of.buffered, of.used) == (MAX_BYTES_IN_MEMORY, 0)
