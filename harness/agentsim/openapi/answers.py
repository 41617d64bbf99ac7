"""The answers of a route: every status that it can have, and what the body is then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from agentsim.core.answer import PROBLEM_TYPE, REASON_URN
from agentsim.core.formatting import STDERR_BYTES
from agentsim.core.route_table import Route
from agentsim.core.status_names import (
    EXIT_STATUSES,
    REASON_PHRASES,
    REASONS,
    RETRY_REASONS,
    SYSEXITS,
)
from agentsim.openapi.value_schemas import Schema

_JSON: Final = "application/json"
_OTHER_CODES: Final = 500
_RETRY_STATUSES: Final = frozenset(REASONS[reason][0] for reason in RETRY_REASONS)
#: Reasons for which an answer is none of the route's own, or has its status from an exit code.
_NO_REFUSAL: Final = frozenset({"exit", "client-gone"})
_REQUEST_ID: Final[Schema] = {
    "type": "string",
    "description": "The request's id, as in the host's log.",
}
_SECONDS: Final[Schema] = {
    "type": "number",
    "minimum": 0,
    "description": "How long the command took.",
}
_STDERR: Final[Schema] = {
    "type": "string",
    "maxLength": STDERR_BYTES,
    "description": "The end of what the command wrote to standard error.",
}

# No lists of what may be: this version of the ABI may still get reasons and members (versions.md).
SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": {
        "type": "object",
        "description": "Why a request failed (RFC 9457).",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "pattern": f"^{REASON_URN}[a-z-]+$",
                "examples": [REASON_URN + reason for reason in REASONS],
            },
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "request_id": _REQUEST_ID,
            "exit_code": {"type": "integer", "minimum": 0, "maximum": 255},
            "signal": {"type": "string", "pattern": "^SIG[A-Z0-9]+$"},
            "seconds": _SECONDS,
            "stderr": _STDERR,
        },
    },
    "ExitRecord": {
        "type": "object",
        "description": "The last line of every stream. A stream without it was cut.",
        "required": [
            *("abi", "record", "request_id", "exit_code", "signal", "reason", "seconds", "stderr")
        ],
        "properties": {
            "abi": {"type": "integer", "const": 1},
            "record": {"type": "string", "const": "exit"},
            "request_id": _REQUEST_ID,
            "exit_code": {"type": ["integer", "null"], "minimum": 0, "maximum": 255},
            "signal": {"type": ["string", "null"], "pattern": "^SIG[A-Z0-9]+$"},
            "reason": {"type": "string", "pattern": "^[a-z-]+$", "examples": list(REASONS)},
            "seconds": _SECONDS,
            "stderr": _STDERR,
        },
    },
}

_PROBLEM: Final = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_UNAUTHORIZED: Final = {
    "description": "There are no credentials in the request, or none that are valid.",
    "headers": {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
    },
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds after which the same request may well succeed.",
        "schema": {"type": "integer", "const": 1},
    }
}


def responses(route: Route, *, guarded: bool) -> dict[str, Any]:
    """The `responses` of an operation, by status.

    Args:
        route: what answers.
        guarded: whether the host asks for the credentials of realms.
    """
    causes = _causes(route)
    found: dict[int, Any] = {}
    for status in sorted(causes):
        if status < 400:
            found[status] = _success(route, status, causes[status])
        else:
            found[status] = _problem(status, causes[status])
    if guarded and route.realm is not None:
        found[401] = _UNAUTHORIZED
    return {str(status): found[status] for status in sorted(found)}


def _causes(route: Route) -> dict[int, list[str]]:
    """Why the route answers, in sentences, by status."""
    codes: dict[int, list[int]] = {}
    for code, status in {**EXIT_STATUSES, **route.statuses}.items():
        if code or route.delivery == "whole":
            codes.setdefault(status, []).append(code)
    causes: dict[int, list[str]] = {}
    for status, its in sorted(codes.items()):
        causes[status] = [f"The command exited with {_listed(map(_code_text, sorted(its)))}."]
    if route.delivery == "stream":
        causes.setdefault(200, []).insert(0, "The command has begun its output.")
    causes.setdefault(_OTHER_CODES, []).append("The command exited with another code.")
    for reason, (status, title) in REASONS.items():
        if reason not in _NO_REFUSAL and _can_be(reason, route):
            causes.setdefault(status, []).append(title)
    return causes


def _can_be(reason: str, route: Route) -> bool:
    match reason:
        case "idle-timeout":
            return route.idle_timeout is not None
        case "unguarded":
            return route.realm is not None
        case "not-permitted":
            return bool(route.principals)
        case "missing-parameter":
            return any(each.required for each in route.parameters.values())
        case "unknown-path":
            return False  # asked for by another path
        case _:
            return True


def _code_text(code: int) -> str:
    return f"{code} ({SYSEXITS[code]})" if code in SYSEXITS else str(code)


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _success(route: Route, status: int, causes: list[str]) -> dict[str, Any]:
    if status == 200 and route.delivery == "stream":
        content: dict[str, Any] = {
            "schema": {
                "type": "string",
                "description": "A line for each event, the last one an ExitRecord.",
            },
            # What OpenAPI 3.2 calls itemSchema.
            "x-itemSchema": {
                "anyOf": [{"$ref": "#/components/schemas/ExitRecord"}, {"type": "object"}]
            },
        }
    else:
        content = {"schema": _body_schema(route.type)}
    return {"description": " ".join(causes), "content": {route.type: content}}


def _body_schema(type_: str) -> Schema:
    if type_ == _JSON:
        return {}
    if type_.startswith("text/"):
        return {"type": "string"}
    return {"type": "string", "format": "binary"}


def _problem(status: int, causes: list[str]) -> dict[str, Any]:
    answer = {"description": f"{REASON_PHRASES[status]}. {' '.join(causes)}", "content": _PROBLEM}
    return {**answer, "headers": _RETRY_AFTER} if status in _RETRY_STATUSES else answer
