"""Recordings of a master, replayed against the decisions of the simulated one.

A recording lists requests with their answers, and between them the acts that made the difference:
what agents did, and calls that were not recorded. Everything happens at one moment, the one that
the recordings show in the place of every time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from agentsim.master import registration, tasks
from agentsim.master.acls import EVERYTHING, parse_acls
from agentsim.master.endpoints import Asked, Stage, View, answer, find
from agentsim.master.operator_calls import Answer, Caller, text
from agentsim.master.state import Registry, Settings, State, recover
from agentsim.mesos.actor_message import Pid, parse_pid
from agentsim.wire.basic_auth import authenticate, challenge

WALL = 1700000000.5
#: Lists whose order is that of a hash map.
_UNORDERED = ("slaves", "recovered_slaves", "agents", "recovered_agents", "draining_machines")
#: What differs from build to build.
_BUILD = ("build_date", "build_time", "build_user")


def load(path: Path) -> dict[str, Any]:
    """A recording."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


class ReplayedMaster:
    """A simulated master to which the acts of a recording happen.

    Args:
        agents: what the agents of the recording told of themselves, by id.
    """

    def __init__(self, agents: dict[str, Any]) -> None:
        self._agents = agents
        self._stage = Stage.STARTING
        self._leader: Pid | None = None
        self._acls = EVERYTHING
        self._credentials: dict[bytes, bytes] = {}
        self.state = self._recovered("", Pid("master", "127.0.0.1", 1), Settings(), Registry())

    def _recovered(self, id_: str, pid: Pid, settings: Settings, registry: Registry) -> State:
        return recover(id_, pid, settings, registry, start_time=WALL, elected_time=WALL, now=0.0)

    # -- acts -----------------------------------------------------------------------------------

    def act(self, name: str, *arguments: Any) -> None:
        """Let something happen."""
        getattr(self, f"_act_{name.replace('-', '_')}")(*arguments)

    def _act_master(self, id_: str, authority: str, options: dict[str, Any]) -> None:
        pid = parse_pid(f"master@{authority}")
        assert pid is not None
        domain = options.get("domain")
        settings = Settings(
            domain=None if domain is None else tuple(domain), cluster=options.get("cluster", "")
        )
        secrets = options.get("credentials", {})
        self._credentials = {name.encode(): secret.encode() for name, secret in secrets.items()}
        self._acls = parse_acls(options.get("acls", {}))
        self.state = self._recovered(id_, pid, settings, Registry())

    def _act_stage(self, stage: str, leader: str | None = "itself") -> None:
        self._stage = Stage(stage)
        if leader == "itself":
            self._leader = self.state.pid
        else:
            self._leader = None if leader is None else parse_pid(f"master@{leader}")

    def _act_recover(self) -> None:
        state = self.state
        self.state = self._recovered(state.id, state.pid, state.settings, state.registry)

    def _registration(self, agent_id: str) -> tuple[Pid, dict[str, Any]]:
        known = self._agents[agent_id]
        pid = parse_pid(known["pid"])
        assert pid is not None
        capabilities = [{"type": each} for each in known["capabilities"]]
        return pid, {
            "slave": dict(known["info"]),
            "version": known["version"],
            "agent_capabilities": capabilities,
        }

    def _act_register(self, agent_id: str) -> None:
        pid, message = self._registration(agent_id)
        self.state.next_agent = int(agent_id.rpartition("-S")[2])
        registration.register(self.state, pid, message, 0.0, WALL)
        assert agent_id in self.state.registered, agent_id

    def _act_reregister(self, agent_id: str) -> None:
        pid, message = self._registration(agent_id)
        message["slave"]["id"] = {"value": agent_id}
        registration.reregister(self.state, pid, message, 0.0, WALL)

    def _act_disconnect(self, agent_id: str) -> None:
        authority = self.state.registered[agent_id].pid.authority
        registration.disconnected(self.state, authority, 0.0)

    def _act_unregister(self, agent_id: str) -> None:
        pid, _ = self._registration(agent_id)
        registration.unregister(self.state, pid, {"slave_id": {"value": agent_id}})

    def _act_unreachable(self, agent_id: str) -> None:
        registration.mark_unreachable(self.state, agent_id)

    def _act_forget(self, agent_id: str) -> None:
        self.state.registry.unreachable.pop(agent_id, None)

    def _act_gone(self, agent_id: str) -> None:
        self.state.registry.admitted.pop(agent_id, None)
        self.state.registry.unreachable.pop(agent_id, None)
        self.state.registry.gone.add(agent_id)

    def _act_launch(self, agent_id: str, name: str, resources: list[Any]) -> None:
        tasks.launch(self.state, agent_id, name, resources, "sleep 1000")

    def _act_remove_framework(self) -> None:
        tasks.remove_framework(self.state)

    def _act_schedule(self, machines: list[list[str]]) -> None:
        self.state.registry.schedule = [(hostname, ip) for hostname, ip in machines]

    def _act_call(self, call: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        body = json.dumps(call)
        given = self.ask("POST", "/api/v1", headers, body, trusted=True)
        assert given.status == 200, (call, given)

    # -- requests -------------------------------------------------------------------------------

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: str, trusted: bool = False
    ) -> Answer:
        """The answer to a request."""
        parts = urlsplit(target)
        fields = {name.lower().encode(): value.encode() for name, value in headers.items()}
        found = find(parts.path.encode())
        if self._stage is Stage.STARTING or found is None or b"libprocess-from" in fields:
            return text(404, "404 Not Found.")
        principal = None
        realm = found[1].realm
        if realm is not None and self._credentials and not trusted:
            proven = authenticate(fields, self._credentials)
            if proven is None:
                return text(401, "401 Unauthorized.", challenge(realm))
            principal = proven.decode()
        caller = Caller(EVERYTHING.allowed(None) if trusted else self._acls.allowed(principal))
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        asked = Asked(
            method,
            parts.path.encode(),
            {name.encode(): value.encode() for name, value in parameters.items()},
            fields,
            body.encode("latin-1"),
        )
        view = View(self._stage, self._leader, self.state, WALL)
        return answer(found, view, asked, caller)


def comparable(body: str) -> str:
    """A body with what is not promised taken out of it."""
    call, parenthesis, rest = body.partition("({")
    text_ = "{" + rest.removesuffix(")") if parenthesis else body
    try:
        document = json.loads(text_)
    except ValueError:
        return body
    return f"{call if parenthesis else ''}{json.dumps(_ordered(document))}"


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: sorted(map(_ordered, each), key=json.dumps)
        if name in _UNORDERED
        else "…"
        if name in _BUILD
        else _ordered(each)
        for name, each in value.items()
    }
