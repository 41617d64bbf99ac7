"""An agent that may use 128 MiB and no swap stands clients that would make it need much more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from agentsim.suite.hosts.http_client import Connection, Disconnected

from .agents import SECONDS, Agent, Agents

MEMORY = 128
MIB = 1 << 20
#: What one answer may be: more than the agent has, in two of them.
WHOLE = 80 * MIB
CLIENTS = 12
# With what a route allows by itself, 16 MiB for each of the clients.
STREAM = {"delivery": "stream"}

ROUTES: list[dict[str, Any]] = [
    {"path": "/whole", "method": "GET", "argv": [f"head -c {WHOLE} /dev/zero"]},
    {"path": "/stream", "method": "GET", "argv": ["yes"], "response": STREAM},
    {
        "path": "/both",
        "method": "GET",
        "argv": ["yes >&2 & exec yes"],
        "response": {"max_bytes": WHOLE},
    },
    {
        "path": "/both-stream",
        "method": "GET",
        "argv": ["yes >&2 & exec yes"],
        "response": STREAM,
    },
    {
        "path": "/take",
        "method": "POST",
        "argv": ["exec cat >/dev/null"],
        "stdin": "body",
        "max_body": WHOLE,
    },
    {"path": "/small", "method": "GET", "argv": ["echo small"], "concurrency": 8},
]


@pytest.fixture
def agent(agents: Agents, table: Any) -> Iterator[Agent]:
    """An agent that has little memory; at the end it still lives, and nothing in it was killed."""
    client = agents.made.client
    told = client.info()
    if not (told.get("MemoryLimit") and told.get("SwapLimit")):
        pytest.skip("this engine can't limit memory and swap")
    file = table(
        "load", ["sh", "-c"], *ROUTES, concurrency=4, queue={"length": 512, "seconds": 120}
    )
    started = agents.start(str(file), memory=MEMORY)
    before = started.life()
    yield started
    assert small(started) == b"small\n"
    assert started.life() == before, started.running.report("was killed")


def small(agent: Agent) -> bytes:
    """What the agent answers to a request that needs next to nothing."""
    answer = agent.ask("GET", "/load/small")
    assert answer.status == 200, answer.text
    return answer.body


def together(*works: Callable[[], None]) -> None:
    """Do all of it side by side; what goes wrong in any of it goes wrong here."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def unread(agent: Agent, target: str) -> Iterator[None]:
    """Clients that ask, and read nothing of the answer, until all answers have begun."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(agent.connect()) for _ in range(CLIENTS)]
        for each in clients:
            each.small_window()
            each.request("GET", target)
        for each in clients:
            assert each.readable(SECONDS), "no answer has begun"
        yield


@pytest.mark.parametrize("path", ["whole", "stream", "both-stream"])
def test_clients_that_never_read(agent: Agent, path: str) -> None:
    with unread(agent, f"/load/{path}"):
        await_idle(agent)
        assert small(agent) == b"small\n"


def await_idle(agent: Agent) -> None:
    """Wait until none of the commands runs any more, whether its output was read or not."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        _, told = agent.running.execute("sh", "-c", "cat /proc/[0-9]*/comm")
        if not {"yes", "head"} & set(told.split()):
            return
    raise AssertionError(f"commands still run after {SECONDS} s: {told}")


def endless(connection: Connection) -> int:
    """Send a body without an end until the answer comes or the connection ends; how many bytes."""
    head = b"POST /load/take HTTP/1.1\r\nHost: probe\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.send(head)
    piece = b"%x\r\n%s\r\n" % (MIB, bytes(MIB))
    sent = 0
    with contextlib.suppress(Disconnected, OSError):
        while not connection.readable():
            connection.send(piece)
            sent += MIB
    return sent


def test_bodies_without_an_end(agent: Agent) -> None:
    def client() -> None:
        with agent.connect() as connection:
            sent = endless(connection)
            assert sent >= WHOLE
            answer = connection.response()
            assert (answer.status, answer.reason) == (413, "body-too-large")

    together(*[client] * CLIENTS)


def test_floods_on_both_outputs(agent: Agent) -> None:
    def whole() -> None:
        answer = agent.ask("GET", "/load/both")
        assert (answer.status, answer.reason) == (500, "output-limit")

    def stream() -> None:
        assert agent.ask("GET", "/load/both-stream").record["reason"] == "output-limit"

    together(*[whole, stream] * (CLIENTS // 2))


def test_many_at_once(agent: Agent) -> None:
    def client() -> None:
        assert small(agent) == b"small\n"

    together(*[client] * 300)
