"""Route tables as an OpenAPI 3.1 description: for clients that are generated, and for tests.

Pure. What a route table can say and OpenAPI can't (lengths in bytes, times, concurrency) is in
descriptions. Source: OpenAPI Specification 3.1.0; JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from agentsim.core.parameters import TIMEOUT, Parameter
from agentsim.core.route import Route
from agentsim.core.route_policy import MAX_TIMEOUT, NDJSON
from agentsim.core.route_table import Table
from agentsim.core.status_names import EXIT_STATUSES, REASON_PHRASES
from agentsim.core.value_types import Boolean, Enum, Integer, List, String, Type

#: Methods that OpenAPI knows; a route of another one can't be described.
METHODS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
#: What hosts answer by themselves, beside what exit codes become.
_OWN_STATUSES: Final = (400, 403, 404, 405, 413, 500, 503, 504)
_SECURITY: Final = "credentials"
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:command-abi:1: and the reason"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "exit_code": {"type": ["integer", "null"]},
        "signal": {"type": ["string", "integer", "null"]},
        "seconds": {"type": "number"},
        "stderr": {"type": "string", "description": "the end of what the command said"},
    },
}


def describe(tables: Sequence[Table], version: str) -> dict[str, Any]:
    """The description of all routes of these tables.

    Args:
        tables: of one host.
        version: of the description.
    """
    paths: dict[str, dict[str, Any]] = {}
    for table in tables:
        for route in table.routes:
            for method in route.methods:
                if method in METHODS:
                    operation = _operation(table, route, method)
                    paths.setdefault(_path(table, route), {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": ", ".join(f"/{table.process}" for table in tables),
            "version": version,
            "description": "HTTP endpoints of a Mesos agent, each of which runs one command line.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {_SECURITY: {"type": "http", "scheme": "basic"}},
        },
    }


def _path(table: Table, route: Route) -> str:
    rest = route.path_parameter
    return f"/{table.process}{route.path}" + (f"/{{{rest.name}}}" if rest is not None else "")


def _operation(table: Table, route: Route, method: str) -> dict[str, Any]:
    words = [each for each in re.split(r"[^A-Za-z0-9]+", f"{table.process}{route.path}") if each]
    operation: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *words]),
        "tags": [table.process],
        "summary": route.help,
        "description": _description(route),
        "parameters": [*map(_parameter, route.parameters.values()), _timeout(route)],
        "responses": _responses(route),
    }
    if route.realm is not None:
        operation["security"] = [{_SECURITY: []}]
    if route.stdin == "body":
        content: dict[str, Any] = {"application/octet-stream": {}}
        operation["requestBody"] = {
            "description": f"What the command reads, at most {route.max_body} bytes.",
            "content": content,
        }
    return operation


def _description(route: Route) -> str:
    words = [f"Ends after {route.timeout:g} s at the latest."]
    words.append(f"At most {route.concurrency} at once, {route.queue_length} wait.")
    if route.realm is not None:
        words.append(f"Of the realm {route.realm}.")
    if route.delivery == "stream" and route.type == NDJSON:
        words.append("The last line of the answer is the exit record.")
    return " ".join(words)


def _timeout(route: Route) -> dict[str, Any]:
    return {
        "name": TIMEOUT,
        "in": "query",
        "description": "A shorter time-out, in seconds.",
        "schema": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": min(route.timeout, MAX_TIMEOUT),
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    is_path = parameter.source == "path"
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.source,
        "required": parameter.required or is_path,
        "description": parameter.help,
        "schema": _schema(parameter.type),
    }
    if isinstance(parameter.type, List):
        found |= {"style": "simple"} if is_path else {"style": "form", "explode": False}
    return found


def _schema(kind: Type) -> dict[str, Any]:
    match kind:
        case Integer():
            return {"type": "integer", "minimum": kind.minimum, "maximum": kind.maximum}
        case Boolean():
            return {"type": "boolean"}
        case Enum():
            return {"type": "string", "enum": [each.decode() for each in kind.values]}
        case List():
            return {
                "type": "array",
                "items": _schema(kind.items),
                "minItems": kind.min_items,
                "maxItems": kind.max_items,
            }
        case String():
            return _string(kind)


def _string(kind: String) -> dict[str, Any]:
    """Lengths are bytes in a table and characters here, so of text only the lower bound is sure to
    mean less."""
    found: dict[str, Any] = {"type": "string", "maxLength": kind.max_length}
    if kind.min_length:
        found["minLength"] = 1
    patterns: list[str] = []
    if isinstance(kind.characters, bytes):
        found["minLength"] = kind.min_length
        patterns.append(f"^[{_class(kind.characters)}]*$")
    elif kind.characters == "text":
        patterns.append(r"^[^\u0000-\u001f\u007f]*$")
    else:
        patterns.append(r"^[^\u0000]*$")
    if kind.prefixes:
        starts = "|".join(re.escape(each.decode()) for each in kind.prefixes)
        patterns.append(f"^(?:{starts})")
    if len(patterns) == 1:
        found["pattern"] = patterns[0]
    else:
        found["allOf"] = [{"pattern": each} for each in patterns]
    return found


def _class(allowed: bytes) -> str:
    """These characters in a class of ECMA-262: letters and digits as they are, all others as
    escapes."""
    return "".join(
        chr(each) if chr(each).isalnum() else f"\\u{each:04x}" for each in sorted(set(allowed))
    )


def _responses(route: Route) -> dict[str, Any]:
    statuses = {**EXIT_STATUSES, **route.statuses}
    successes = sorted({each for each in statuses.values() if each < 400})
    errors = {each for each in statuses.values() if each >= 400}
    errors |= set(_OWN_STATUSES) | ({401} if route.realm is not None else set())
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[str, Any] = {
        str(status): {
            "description": REASON_PHRASES[status],
            "content": {route.type: _success_schema(route)},
        }
        for status in successes
    }
    for status in sorted(errors):
        # libprocess answers some of them itself, in plain words.
        found[str(status)] = {
            "description": REASON_PHRASES[status],
            "content": {**problem, "text/plain": {"schema": {"type": "string"}}},
        }
    return found


def _success_schema(route: Route) -> dict[str, Any]:
    return {"schema": {"type": "string"}} if route.delivery == "stream" else {}


def undescribed(tables: Iterable[Table]) -> list[str]:
    """The routes, as METHOD PATH, whose methods OpenAPI does not know."""
    return [
        f"{method} /{table.process}{route.path}"
        for table in tables
        for route in table.routes
        for method in route.methods
        if method not in METHODS
    ]
