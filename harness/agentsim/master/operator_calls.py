"""`/api/v1`: the calls of an operator, from bytes to an answer.

The order of the checks is a master's: method, content type, JSON, the message, what it has to have,
what the caller accepts, and only then whether he may.

Source: Mesos `master/http.cpp` (`Master::Http::api`), `master/validation.cpp`, libprocess
`Request::acceptsMediaType`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agentsim.master import draining, listings
from agentsim.master.acls import ACTIONS
from agentsim.master.state import State, Tell
from agentsim.mesos.json_format import Inconvertible, from_json
from agentsim.mesos.wire_format import Undecodable, Values, decode

_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"
_NO_ACCEPT: Final = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"

#: Calls that change an agent.
AGENT_CALLS: Final = ("DRAIN_AGENT", "DEACTIVATE_AGENT", "REACTIVATE_AGENT")
#: Calls that have to have a member of their own name.
_WITH_MEMBER: Final = frozenset(
    (
        *AGENT_CALLS,
        *("GET_METRICS", "SET_LOGGING_LEVEL", "LIST_FILES", "READ_FILE", "UPDATE_WEIGHTS"),
        *("RESERVE_RESOURCES", "UNRESERVE_RESOURCES", "CREATE_VOLUMES", "DESTROY_VOLUMES"),
        *("GROW_VOLUME", "SHRINK_VOLUME", "UPDATE_MAINTENANCE_SCHEDULE", "START_MAINTENANCE"),
        *("STOP_MAINTENANCE", "UPDATE_QUOTA", "SET_QUOTA", "REMOVE_QUOTA", "TEARDOWN"),
        "MARK_AGENT_GONE",
    )
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and what is to be told to agents.

    Attributes:
        headers: in the order in which a master sets them.
    """

    status: int
    headers: Sequence[tuple[str, str]] = (("Content-Length", "0"),)
    body: bytes = b""
    tells: Sequence[Tell] = field(default=())


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what he may do.

    Attributes:
        may: of `ACTIONS` those that the ACLs allow him.
    """

    may: frozenset[str]


def text(status: int, words: str, *headers: tuple[str, str]) -> Answer:
    """An answer in words, as libprocess gives it."""
    body = words.encode()
    length = ("Content-Length", str(len(body)))
    return Answer(status, (length, ("Content-Type", "text/plain; charset=utf-8"), *headers), body)


def encoded(value: Any) -> bytes:
    """JSON as a master writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def answer_call(
    state: State,
    headers: Mapping[bytes, bytes],
    body: bytes,
    caller: Caller,
    wall: float,
) -> Answer:
    """Answer a POST to `/api/v1`.

    Args:
        state: of the leading master, recovered.
        headers: of the request, by names in lower case.
        caller: who has been authenticated.
        wall: seconds since the epoch.
    """
    content_type = headers.get(b"content-type")
    if content_type is None:
        return text(400, "Expecting 'Content-Type' to be present")
    if content_type not in (_JSON.encode(), _PROTOBUF.encode()):
        return text(415, f"Expecting 'Content-Type' of {_JSON} or {_PROTOBUF}")
    try:
        call = _parse(body, is_json=content_type == _JSON.encode())
    except Inconvertible as error:
        return text(400, str(error))
    kind = call.get("type")
    if kind is None:
        return text(400, "Failed to validate master::Call: Expecting 'type' to be present")
    member = kind.lower()
    if kind in _WITH_MEMBER and member not in call:
        words = f"Failed to validate master::Call: Expecting '{member}' to be present"
        return text(400, words)
    if not _accepts(headers, _JSON):
        if _accepts(headers, _PROTOBUF):
            return text(501, "A simulated master answers in JSON only: send Accept: " + _JSON)
        return text(406, _NO_ACCEPT)
    if kind in AGENT_CALLS:
        return _agent_call(state, kind, call[member], caller, wall)
    if kind in ACTIONS and kind not in caller.may:
        return text(403, "403 Forbidden.")
    reading = _READING.get(kind)
    if reading is None:
        return text(501, "501 Not Implemented.")
    content = reading(state)
    given = encoded({"type": kind, member: content})
    return Answer(200, (("Content-Length", str(len(given))), ("Content-Type", _JSON)), given)


_READING: Final[Mapping[str, Callable[[State], Any]]] = {
    "GET_HEALTH": lambda _: {"healthy": True},
    "GET_VERSION": lambda state: {"version_info": _version(state)},
    "GET_MASTER": listings.get_master,
    "GET_AGENTS": listings.get_agents,
    "GET_FRAMEWORKS": lambda _: {"frameworks": [], "completed_frameworks": []},
    "GET_TASKS": lambda _: {"tasks": [], "unreachable_tasks": [], "completed_tasks": []},
    "GET_ROLES": lambda _: {},
    "GET_MAINTENANCE_STATUS": lambda state: {"status": listings.maintenance_status(state)},
    "GET_MAINTENANCE_SCHEDULE": lambda state: {"schedule": listings.maintenance_schedule(state)},
}


def _version(state: State) -> Any:
    build = listings.build(state.settings.version)
    return {key: build[key] for key in ("version", "build_date", "build_time", "build_user")}


def _parse(body: bytes, *, is_json: bool) -> Values:
    if not is_json:
        try:
            return decode("Call", body)
        except Undecodable:
            raise Inconvertible("Failed to parse body into Call protobuf") from None
    parsed = _parse_json(body.decode("utf-8", "replace"))
    try:
        return from_json("Call", parsed)
    except Inconvertible as error:
        raise Inconvertible(f"Failed to convert JSON into Call protobuf: {error}") from None


def _parse_json(words: str) -> Any:
    try:
        return json.loads(words, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        rest = words[error.pos :]
        if error.msg == "Extra data":
            why = f"Parsed JSON included non-whitespace trailing characters: {rest.rstrip()}"
        else:
            near = rest.partition("\n")[0]
            why = f"syntax error at line {error.lineno} near: {near}"
    except OverflowError:
        why = "Value out of range"
    except (ValueError, RecursionError):
        why = "Unknown JSON parse error"
    raise Inconvertible(f"Failed to parse body into JSON: {why}")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise OverflowError(text)
    return number


def _agent_call(state: State, kind: str, member: Values, caller: Caller, wall: float) -> Answer:
    agent_id = member["agent_id"]["value"]
    mark_gone = member.get("mark_gone", False)
    if kind == "DRAIN_AGENT" and (refused := draining.refuse_drain(state, agent_id)) is not None:
        return text(refused.status, refused.text)
    if kind not in caller.may or (mark_gone and "MARK_AGENT_GONE" not in caller.may):
        return text(403, "403 Forbidden.")
    result: draining.Refused | Sequence[Tell] | None
    if kind == "DRAIN_AGENT":
        grace = member.get("max_grace_period")
        result = draining.drain(state, agent_id, grace, mark_gone, wall)
    elif kind == "DEACTIVATE_AGENT":
        result = draining.deactivate(state, agent_id)
    else:
        result = draining.reactivate(state, agent_id)
    if isinstance(result, draining.Refused):
        return text(result.status, result.text)
    return Answer(200, tells=result or ())


def _accepts(headers: Mapping[bytes, bytes], media_type: str) -> bool:
    accept = headers.get(b"accept")
    if accept is None:
        return True
    entries = accept.decode("latin-1").translate({32: None, 9: None, 10: None}).split(",")
    for candidate in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        for entry in entries:
            name, *parameters = [part for part in entry.split(";") if part] or [""]
            if name.lower() == candidate:
                values = [each[2:] for each in parameters if each.startswith("q=")]
                return len(values) != 1 or _above_zero(values[0])
    return False


def _above_zero(quality: str) -> bool:
    try:
        return float(quality) > 0
    except ValueError:
        return False
