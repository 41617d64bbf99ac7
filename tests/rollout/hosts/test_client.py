"""The client of hosts, against a simulated agent and against what breaks off."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from packager.base.errors import ProtocolError
from rollout.core.registry import HostId
from rollout.hosts.client import Cut, HostClient, HostRefused, NotReached, Patience

from tests.conftest import Simulator
from tests.support.shell_table import shell_table

SCRIPT = """
case "$1" in
    status) echo '{"in_sync":true}' ;;
    words) echo words ;;
    refused) echo "another fence is higher" >&2; exit 73 ;;
    steps) cat; echo '{"event":"one"}'; echo '{"event":"two"}' ;;
    fails) echo '{"event":"one"}'; echo broken >&2; exit 74 ;;
    endless) echo '{"event":"one"}'; sleep 60 ;;
esac
"""
STREAM = {"method": "POST", "stdin": "body", "response": {"delivery": "stream"}}


@pytest.fixture
def address(tmp_path: Path, simulator: Callable[..., Simulator]) -> str:
    routes = [{"path": f"/{name}"} for name in ("status", "words", "refused")]
    streams = [{"path": f"/{name}", **STREAM} for name in ("steps", "fails", "endless")]
    return simulator(shell_table(tmp_path, SCRIPT, *routes, *streams)).url.removeprefix("http://")


def ask(
    address: str, question: Callable[[HostClient], Awaitable[Any]], patience: Patience | None = None
) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession() as session:
            return await question(HostClient(session, HostId("h1", address), patience=patience))

    return asyncio.run(run())


def test_documents_refusals_and_nonsense(address: str) -> None:
    assert ask(address, lambda host: host.document("/t/status")) == {"in_sync": True}
    with pytest.raises(ProtocolError, match="no document"):
        ask(address, lambda host: host.document("/t/words"))
    with pytest.raises(HostRefused, match="another fence is higher") as refused:
        ask(address, lambda host: host.document("/t/refused"))
    assert (refused.value.status, refused.value.code) == (409, 73)
    with pytest.raises(HostRefused, match=r"h1@.*: it has no such route") as refused:
        ask(address, lambda host: host.document("/provisioner/stage"))
    assert refused.value.code is None


def test_streams_are_heard_and_their_end_is_known(address: str) -> None:
    heard: list[dict[str, Any]] = []
    record = ask(
        address, lambda host: host.stream("/t/steps", {}, b'{"event":"zero"}\n', heard.append)
    )
    assert [each["event"] for each in heard] == ["zero", "one", "two"]
    assert (record.exit_code, record.reason) == (0, "exit")
    record = ask(address, lambda host: host.stream("/t/fails", {}, b"", heard.append))
    assert (record.exit_code, record.stderr) == (74, "broken\n")


def test_a_stream_that_stands_still_is_unknown_not_failed(address: str) -> None:
    heard: list[dict[str, Any]] = []
    with pytest.raises(Cut, match="no answer in time"):
        ask(
            address,
            lambda host: host.stream("/t/endless", {}, b"", heard.append),
            Patience(idle=0.5),
        )
    assert heard == [{"event": "one"}]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + b'{"event":"one"}\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + b'{"event":"one"}\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP\n",
    ],
)
def test_a_connection_that_is_lost_is_unknown_not_failed(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Cut):
            ask(
                f"127.0.0.1:{server.getsockname()[1]}",
                lambda host: host.stream("/x", {}, b"body", lambda _: None),
            )
        thread.join()


def test_where_nobody_listens_nothing_was_begun() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(NotReached, match="h1@127"):
        ask(address, lambda host: host.stream("/x", {}, b"", lambda _: None))
