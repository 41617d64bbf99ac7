"""What the operator of a simulated cluster asks and tells it while it runs.

At 127.0.0.1 and the port of the agents, an address that no agent has:

    GET  /cluster/agents.json                      every agent, as the cluster knows it
    POST /cluster/inject?fault=KIND[=AMOUNT]:AGENTS
    POST /cluster/tasks?act=launch&agents=AGENTS   a task on each; `end=SECONDS|deaf|stuck`
    POST /cluster/tasks?act=remove-framework       its framework ends, and with it all tasks
    POST /cluster/masters?act=kill|start|restart&number=N
    POST /cluster/schedule?agents=AGENTS           they are in the maintenance schedule; `none`

Each answers with JSON, or with 400 and a sentence. Pages of other sites may call none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, Protocol

from agentsim.cluster.faults import BadFault, select
from agentsim.cluster.member_agents import MemberAgent, MemberAgents
from agentsim.core.access import Access, refuse_path
from agentsim.core.answer import refusal_answer
from agentsim.mesos.tasks import TaskEnd, parse_task_end
from agentsim.run.spool import Spool
from agentsim.simulator.agent import HEAD_SECONDS
from agentsim.simulator.connection import Connection
from agentsim.simulator.exchange import ClientConnection, DocumentExchange, Exchange, TextExchange
from agentsim.simulator.idle_connections import IdleConnections
from agentsim.simulator.message_connection import Message
from agentsim.wire.request_parser import Request

Query = dict[bytes, bytes]
#: Answers a request that no path of this takes, or leaves it.
Fallback = Callable[[ClientConnection, Request], Exchange | None]

#: What a task that is launched uses.
TASK_RESOURCES: Final = (
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "role": "*"},
    {"name": "mem", "type": "SCALAR", "scalar": {"value": 32.0}, "role": "*"},
)


class BadControl(ValueError):
    """What the cluster can't be told; the text says why."""


class Controlled(Protocol):
    """A cluster, as far as it is controlled."""

    @property
    def agents(self) -> MemberAgents: ...

    def inject(self, fault: str) -> list[MemberAgent]:
        """Let a fault happen. Raises BadFault."""

    def launch(self, agents: list[MemberAgent]) -> None:
        """Launch a task on each. Raises BadControl."""

    def remove_framework(self) -> None:
        """End the framework. Raises BadControl."""

    def schedule(self, agents: list[MemberAgent]) -> None:
        """Have these in the maintenance schedule, and no others. Raises BadControl."""

    async def act_on_master(self, act: str, number: int) -> None:
        """Kill, start or restart a master. Raises BadControl."""


class Control:
    """Answers at 127.0.0.1.

    Args:
        loop: the event loop.
        spool: where answers wait that nobody takes.
        idle: the connections of the whole process.
        cluster: what is controlled.
        seed: what shares are drawn from.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spool: Spool,
        idle: IdleConnections,
        cluster: Controlled,
        seed: int,
    ) -> None:
        self.loop = loop
        self.spool = spool
        self.idle = idle
        self.head_seconds = HEAD_SECONDS
        self.connections: set[Connection] = set()
        self.fallbacks: list[Fallback] = []
        self._cluster = cluster
        self._seed = seed
        self._tasks: set[asyncio.Task[None]] = set()

    def exchange(self, connection: ClientConnection, request: Request) -> Exchange:
        """Find who answers a request."""
        for fallback in self.fallbacks:
            if (found := fallback(connection, request)) is not None:
                return found
        refusal = refuse_path(None, None, request.headers, Access(open=True, names=()))
        if refusal is not None:
            answer = refusal_answer(refusal, "")
            return DocumentExchange(
                connection, request, answer.status, answer.headers, answer.body or b""
            )
        path = request.path.decode("latin-1").rstrip("/")
        if path == "/cluster/agents.json":
            return _document(
                connection, request, [described(each) for each in self._cluster.agents]
            )
        if path not in _ACTS:
            return TextExchange(connection, request, 404, "404 Not Found.")
        if request.method != "POST":
            return TextExchange(connection, request, 405, "Expecting POST", ("Allow", "POST"))
        return _Act(connection, request, self)

    def take_message(self, message: Message) -> bool:  # noqa: ARG002
        """No actor is here."""
        return False

    def exchange_ended(self, exchange: Exchange, gone: bool) -> None:
        """An answer was sent, or its client went away before."""

    def begin(self, exchange: _Act) -> None:
        """Do what a request asks for, and answer it."""
        task = self.loop.create_task(self._do(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, exchange: _Act) -> None:
        path = exchange.request.path.decode("latin-1").rstrip("/")
        query = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in exchange.request.query.items()
        }
        try:
            done = await _ACTS[path](self, query)
        except (BadControl, BadFault) as error:
            exchange.answer_text(400, f"{error}\n")
            return
        exchange.give(done)

    # -- acts -------------------------------------------------------------------------------------

    async def _inject(self, query: dict[str, str]) -> Any:
        return _names(self._cluster.inject(_needed(query, "fault")))

    async def _act_on_tasks(self, query: dict[str, str]) -> Any:
        act = _needed(query, "act")
        if act == "remove-framework":
            self._cluster.remove_framework()
            return {"agents": []}
        if act != "launch":
            raise BadControl(f"act={act}: expected launch or remove-framework")
        agents = self._select(query)
        try:
            end = parse_task_end(query["end"]) if "end" in query else TaskEnd()
        except ValueError:
            raise BadControl(f"end={query['end']}: expected SECONDS, deaf or stuck") from None
        for agent in agents:
            agent.member.membership.tasks.end = end
        self._cluster.launch(agents)
        return _names(agents)

    async def _act_on_masters(self, query: dict[str, str]) -> Any:
        act, number = _needed(query, "act"), query.get("number", "1")
        if act not in ("kill", "start", "restart") or not number.isdecimal():
            raise BadControl("expected act=kill, start or restart, and number=N")
        await self._cluster.act_on_master(act, int(number))
        return {"number": int(number)}

    async def _schedule(self, query: dict[str, str]) -> Any:
        agents = [] if query.get("agents") == "none" else self._select(query)
        self._cluster.schedule(agents)
        return _names(agents)

    def _select(self, query: dict[str, str]) -> list[MemberAgent]:
        return select(list(self._cluster.agents), _needed(query, "agents"), str(self._seed))


_ACTS: Final = {
    "/cluster/inject": Control._inject,
    "/cluster/tasks": Control._act_on_tasks,
    "/cluster/masters": Control._act_on_masters,
    "/cluster/schedule": Control._schedule,
}


class _Act(Exchange):
    """A request that tells the cluster something."""

    __slots__ = ("_control",)

    def __init__(self, connection: ClientConnection, request: Request, control: Control) -> None:
        super().__init__(connection, request)
        self._control = control

    def on_end(self) -> None:
        self._control.begin(self)

    def give(self, value: Any) -> None:
        """Answer with JSON."""
        body = _encoded(value)
        self.answer(200, _json_headers(body), body)


def described(agent: MemberAgent) -> dict[str, Any]:
    """An agent as the cluster knows it."""
    description, membership = agent.description, agent.member.membership
    return {
        "number": agent.number,
        "hostname": description.hostname,
        "address": f"{description.ip}:{description.port}",
        "region": description.region,
        "zone": description.zone,
        "id": membership.agent_id,
        "state": membership.phase.value,
        "power": agent.power.value,
        "draining": membership.draining,
        "tasks": len(membership.tasks),
        "faults": sorted(agent.faults),
    }


def _document(connection: ClientConnection, request: Request, value: Any) -> DocumentExchange:
    body = _encoded(value)
    return DocumentExchange(connection, request, 200, _json_headers(body), body)


def _encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _json_headers(body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]


def _names(agents: list[MemberAgent]) -> dict[str, list[str]]:
    return {"agents": [agent.description.hostname for agent in agents]}


def _needed(query: dict[str, str], name: str) -> str:
    if name not in query:
        raise BadControl(f"expected {name}=…")
    return query[name]
