"""An agent whose container is paused goes on where it was; nothing is lost."""

from __future__ import annotations

import threading
from typing import Any

from .agents import SECONDS, Agents

TICKS = 40
ROUTES: list[dict[str, Any]] = [
    {
        "path": "/tick",
        "method": "GET",
        "argv": [f"for i in $(seq {TICKS}); do echo $i; sleep 0.05; done"],
        "response": {"delivery": "stream"},
    },
    {"path": "/small", "method": "GET", "argv": ["echo small"]},
    {"path": "/take", "method": "POST", "argv": ["exec wc -c"], "stdin": "body"},
]


def test_a_request_in_whose_middle_the_agent_is_paused(agents: Agents, table: Any) -> None:
    agent = agents.start(str(table("pause", ["sh", "-c"], *ROUTES)))
    container = agent.running.container
    late: list[bytes] = []

    def ask_meanwhile() -> None:
        late.append(agent.ask("GET", "/pause/small").body)

    with agent.connect() as ticking, agent.connect() as sending:
        ticking.request("GET", "/pause/tick")
        head = ticking.head()
        said = ticking.chunk()
        sending.send(b"POST /pause/take HTTP/1.1\r\nHost: probe\r\nContent-Length: 6\r\n\r\nabc")
        container.pause()
        try:
            assert agent.running.state["Paused"]
            # The kernel takes connections and bytes still; nobody is refused.
            client = threading.Thread(target=ask_meanwhile, daemon=True)
            client.start()
            sending.send(b"def")
            while ticking.readable(0.3):  # what was on its way
                said += ticking.chunk()
            assert not late
        finally:
            container.unpause()
        client.join(SECONDS)
        assert late == [b"small\n"]
        assert sending.response().body.split() == [b"6"]
        said += b"".join(ticking.pieces(head))
    lines = said.splitlines()
    assert lines[:-1] == [b"%d" % (i + 1) for i in range(TICKS)]
    assert b'"exit_code":0' in lines[-1]


def test_clients_that_leave_while_it_is_paused(agents: Agents, table: Any) -> None:
    agent = agents.start(str(table("pause", ["sh", "-c"], *ROUTES)))
    container = agent.running.container
    container.pause()
    try:
        for _ in range(50):
            with agent.connect() as connection:
                connection.request("GET", "/pause/tick")
    finally:
        container.unpause()
    assert agent.ask("GET", "/pause/small").body == b"small\n"
