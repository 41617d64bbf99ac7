"""What a master serves: which path is whose, who may ask, and who leads.

`/slaves` and `/master/slaves` are one; a longer path falls back to the longest one that is served;
methods are looked at in few places. Before a master is up, every path is 404; one that does not
lead sends clients to the one that does.

Source: Mesos `master/master.cpp` (`initialize`), `master/http.cpp` (`redirect`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from agentsim.master import listings
from agentsim.master.operator_calls import Answer, Caller, answer_call, encoded, text
from agentsim.master.state import State
from agentsim.mesos.actor_message import Pid

_READONLY: Final = "mesos-master-readonly"
_READWRITE: Final = "mesos-master-readwrite"


class Stage(Enum):
    """How far a master has come.

    STARTING: nothing is served. FOLLOWING: another one leads, or nobody does. RECOVERING: it leads
    and has not read the registry. LEADING: it has.
    """

    STARTING = "starting"
    FOLLOWING = "following"
    RECOVERING = "recovering"
    LEADING = "leading"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as an answer depends on it.

    Attributes:
        path: undecoded.
        parameters: the query, decoded.
        headers: by names in lower case.
    """

    method: str
    path: bytes
    parameters: Mapping[bytes, bytes]
    headers: Mapping[bytes, bytes]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class View:
    """What an answer is made of.

    Attributes:
        leader: who leads, as far as this master knows.
        state: of the leading master; of one that recovers it has no agents yet.
        wall: seconds since the epoch.
    """

    stage: Stage
    leader: Pid | None
    state: State
    wall: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path that is served.

    Attributes:
        realm: whose credentials it asks for; None: nobody's.
        redirects: whether only the leading master answers it.
        methods: those that it takes; None: any.
        action: that the caller must be allowed by the ACLs; None: anybody may.
    """

    answer: Callable[[View, Asked, Caller], Answer]
    realm: str | None
    redirects: bool
    methods: tuple[str, ...] | None = None
    action: str | None = None


def find(path: bytes) -> tuple[str, Endpoint] | None:
    """The endpoint of a path, and its own path below `/master`; None if there is none."""
    name = path.decode("latin-1").strip("/")
    if "/.." in f"/{name}":
        return None
    name = name.removeprefix("master/") if name.startswith("master/") else name
    rest = name
    while True:
        if rest in _ENDPOINTS:
            return name, _ENDPOINTS[rest]
        rest, slash, _ = rest.rpartition("/")
        if not slash:
            return None


def answer(found: tuple[str, Endpoint], view: View, asked: Asked, caller: Caller) -> Answer:
    """The answer of an endpoint to a request that has been authenticated."""
    name, endpoint = found
    if endpoint.redirects and view.stage is Stage.FOLLOWING:
        return _redirect(view, f"/master/{name}{_query(asked)}")
    if endpoint is _API and view.stage is Stage.RECOVERING:
        return text(503, "Master has not finished recovery")
    if endpoint.methods is not None and asked.method not in endpoint.methods:
        expected = ", ".join(f"'{each}'" for each in endpoint.methods)
        words = (
            f"405 Method Not Allowed. Expecting one of {{ {expected} }}, but received"
            f" '{asked.method}'."
        )
        return text(405, words, ("Allow", ", ".join(endpoint.methods)))
    if endpoint.action is not None and endpoint.action not in caller.may:
        return text(403, "403 Forbidden.")
    return endpoint.answer(view, asked, caller)


def _redirect(view: View, target: str) -> Answer:
    if view.leader is None:
        return text(503, "No leader elected")
    location = ("Location", f"//{view.leader.authority}{target}")
    return Answer(307, (("Content-Length", "0"), location))


def _query(asked: Asked) -> str:
    """The query as libprocess writes it anew."""
    pairs = (f"{quote(name, '')}={quote(value, '')}" for name, value in asked.parameters.items())
    return f"?{'&'.join(pairs)}" if asked.parameters else ""


def _to_leader(view: View, asked: Asked, _: Caller) -> Answer:
    name = asked.path.decode("latin-1").strip("/").removeprefix("master/")
    return _redirect(view, "") if name == "redirect" else text(404, "404 Not Found.")


def _listing(listed: Callable[[View, Asked], Any]) -> Callable[[View, Asked, Caller], Answer]:
    def give(view: View, asked: Asked, _: Caller) -> Answer:
        body, kind = encoded(listed(view, asked)), "application/json"
        call = asked.parameters.get(b"jsonp")
        if call is not None:
            body, kind = call + b"(" + body + b")", "text/javascript"
        return Answer(200, (("Content-Type", kind), ("Content-Length", str(len(body)))), body)

    return give


def _slaves(view: View, asked: Asked) -> Any:
    only = asked.parameters.get(b"slave_id")
    return listings.slaves(view.state, None if only is None else only.decode("utf-8", "replace"))


def _flags(view: View, _: Asked) -> Any:
    settings = view.state.settings
    return {
        "flags": {
            "agent_ping_timeout": f"{settings.ping_seconds:g}secs",
            "agent_reregister_timeout": f"{settings.reregister_seconds:g}secs",
            "cluster": settings.cluster,
            "ip": view.state.pid.ip,
            "max_agent_ping_timeouts": str(settings.max_ping_timeouts),
            "port": str(view.state.pid.port),
        }
    }


def _metrics(view: View, _: Asked) -> Any:
    state, agents = view.state, view.state.registered.values()
    connected = sum(agent.connected for agent in agents)
    active = sum(agent.active for agent in agents)
    counts = {
        "master/elected": float(view.stage is not Stage.FOLLOWING),
        "master/slaves_active": float(active),
        "master/slaves_connected": float(connected),
        "master/slaves_disconnected": float(len(agents) - connected),
        "master/slaves_inactive": float(len(agents) - active),
        "master/slaves_unreachable": float(len(state.registry.unreachable)),
    }
    return dict(sorted(counts.items()))


_EMPTY: Final[Mapping[str, Any]] = {
    "frameworks": [],
    "completed_frameworks": [],
    "unregistered_frameworks": [],
}
_API: Final = Endpoint(
    lambda view, asked, caller: answer_call(
        view.state, asked.headers, asked.body, caller, view.wall
    ),
    _READWRITE,
    redirects=True,
    methods=("POST",),
)


def _left_out(_view: View, _asked: Asked, _caller: Caller) -> Answer:
    return text(501, "A simulated master does not change the maintenance schedule.")


def _maintenance_schedule(view: View, asked: Asked, caller: Caller) -> Answer:
    if asked.method == "POST":
        return _left_out(view, asked, caller)
    return _listing(lambda each, _: listings.maintenance_schedule(each.state))(view, asked, caller)


_ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "api/v1": _API,
    "flags": Endpoint(_listing(_flags), _READONLY, False, action="VIEW_FLAGS"),
    "frameworks": Endpoint(_listing(lambda *_: _EMPTY), _READONLY, True),
    "health": Endpoint(lambda *_: Answer(200), None, False),
    "machine/down": Endpoint(_left_out, _READWRITE, True, ("POST",)),
    "machine/up": Endpoint(_left_out, _READWRITE, True, ("POST",)),
    "maintenance/schedule": Endpoint(_maintenance_schedule, _READWRITE, True, ("GET", "POST")),
    "maintenance/status": Endpoint(
        _listing(lambda view, _: listings.maintenance_status(view.state)), _READONLY, True, ("GET",)
    ),
    "metrics/snapshot": Endpoint(_listing(_metrics), _READONLY, False, action="GET_ENDPOINTS"),
    "redirect": Endpoint(_to_leader, None, False),
    "slaves": Endpoint(_listing(_slaves), _READONLY, True),
    "state": Endpoint(
        _listing(lambda view, _: listings.state_document(view.state)), _READONLY, True
    ),
    "state-summary": Endpoint(
        _listing(lambda view, _: listings.state_summary(view.state)), _READONLY, True
    ),
    "tasks": Endpoint(_listing(lambda *_: {"tasks": []}), _READONLY, True),
    "version": Endpoint(
        _listing(lambda view, _: listings.build(view.state.settings.version)), None, False
    ),
}
