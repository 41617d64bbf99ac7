"""An OpenAPI 3.1 description of route tables.

Source: OpenAPI Specification 3.1.0; docs/abi.md for what is described.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from agentsim.core.formatting import short_seconds
from agentsim.core.parameters import TIMEOUT, Parameter
from agentsim.core.route_table import ABI_VERSION, Route, Table
from agentsim.openapi import value_schemas
from agentsim.openapi.answers import SCHEMAS, responses
from agentsim.openapi.value_schemas import path_schema, query_schema

# HEAD is none of them: libprocess answers it with a body, which no client expects, so that the next
# answer on the connection is taken for something else.
_METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE"})
_KEY: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_BODY_TYPE: Final = "application/octet-stream"


def describe_tables(tables: Sequence[Table], server: str, *, guarded: bool) -> dict[str, Any]:
    """The document, ready for JSON.

    Args:
        tables: what is served; no two of one process.
        server: the URL of the host; `/` is whichever the document came from.
        guarded: whether the host asks for the credentials of realms.
    """
    writer = _Writer(guarded=guarded)
    for table in tables:
        writer.add(table)
    components: dict[str, Any] = {"schemas": SCHEMAS}
    if writer.schemes:
        components["securitySchemes"] = {
            key: {"type": "http", "scheme": "basic", "description": f"The realm {realm}."}
            for realm, key in writer.schemes.items()
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": ", ".join(table.process for table in tables),
            "version": str(ABI_VERSION),
            "description": "Each request runs one command line, by the command ABI, version"
            f" {ABI_VERSION}. A parameter that is not described is refused.",
        },
        "servers": [{"url": server}],
        "tags": [{"name": table.process} for table in tables],
        "paths": writer.paths,
        "components": components,
    }


class _Writer:
    """Collects the paths.

    Attributes:
        paths: by template.
        schemes: the key of each realm's security scheme.
    """

    def __init__(self, *, guarded: bool) -> None:
        self.paths: dict[str, dict[str, Any]] = {}
        self.schemes: dict[str, str] = {}
        self._guarded = guarded
        self._operation_ids: set[str] = set()

    def add(self, table: Table) -> None:
        """Add the routes of a table."""
        for path in dict.fromkeys(route.path for route in table.routes):
            routes = [route for route in table.routes if route.path == path]
            # A template has one name for its variable, whatever each method calls it.
            names = [each.path_parameter.name for each in routes if each.path_parameter]
            for route in routes:
                self._add_route(route, names[0] if names else "", len(routes))

    def _add_route(self, route: Route, variable: str, methods_of_path: int) -> None:
        place = f"/{route.process}{route.path}"
        rest = route.path_parameter
        several = methods_of_path > 1 or len(route.methods) > 1
        if rest is None or not rest.required:
            self._add_path(place, route, several)
        if rest is not None:
            described = {
                "name": variable,
                "in": "path",
                "required": True,
                **_description(rest.help),
                "schema": path_schema(rest.type),
            }
            self._add_path(f"{place}/{{{variable}}}", route, several, described)

    def _add_path(
        self, template: str, route: Route, several: bool, rest: dict[str, Any] | None = None
    ) -> None:
        item = self.paths.setdefault(template, {})
        left_out = [method for method in route.methods if method not in _METHODS]
        if left_out:
            known = item.pop("description", "Served too, and not described here:")
            item["description"] = f"{known.removesuffix('.')} {', '.join(left_out)}."
        for method in route.methods:
            if method in _METHODS:
                words = f"{method.lower()}{template}" if several else template.lstrip("/")
                item[method.lower()] = self._operation(route, self._operation_id(words), rest)

    def _operation(
        self, route: Route, operation_id: str, rest: dict[str, Any] | None
    ) -> dict[str, Any]:
        parameters = [] if rest is None else [rest]
        parameters += map(_query_parameter, _in_query(route))
        parameters.append(_timeout(route))
        operation: dict[str, Any] = {"operationId": operation_id, "tags": [route.process]}
        if route.help:
            operation["summary"] = route.help
        operation["description"] = _sentences(route)
        operation["parameters"] = parameters
        if route.stdin == "body":
            operation["requestBody"] = {
                "description": "The command's standard input, of whatever type.",
                "content": {
                    _BODY_TYPE: {
                        "schema": {
                            "type": "string",
                            "format": "binary",
                            "maxLength": route.max_body,
                        }
                    }
                },
            }
        operation["responses"] = responses(route, guarded=self._guarded)
        if self._guarded and route.realm is not None:
            operation["security"] = [{self._scheme(route.realm): []}]
        return operation

    def _operation_id(self, words: str) -> str:
        """An id that is a name in most languages, and nobody else's."""
        name = "".join(each if each.isalnum() else "_" for each in words).strip("_")
        return _unique(name, self._operation_ids)

    def _scheme(self, realm: str) -> str:
        if realm not in self.schemes:
            key = "".join(each if each in _KEY else "_" for each in realm)
            self.schemes[realm] = _unique(key, set(self.schemes.values()))
        return self.schemes[realm]


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _in_query(route: Route) -> Iterable[Parameter]:
    return (each for each in route.parameters.values() if each.source == "query")


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema = query_schema(parameter.type)
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        **_description(parameter.help),
        "schema": schema,
    }
    if schema["type"] == "array":
        described |= {"style": "form", "explode": False}
    return described


def _timeout(route: Route) -> dict[str, Any]:
    seconds = short_seconds(route.timeout)
    return {
        "name": TIMEOUT,
        "in": "query",
        "required": False,
        "description": f"Seconds, such as 0.5, after which the command is ended; {seconds} if"
        " absent, and at the most.",
        "schema": value_schemas.TIMEOUT,
    }


def _description(text: str) -> dict[str, str]:
    return {"description": text} if text else {}


def _sentences(route: Route) -> str:
    """What the route does that no field of an operation says."""
    sentences = [
        "The answer is a stream of lines, as the command writes them."
        if route.delivery == "stream"
        else "The answer is whole, and comes when the command has ended."
    ]
    if route.idle_timeout is not None:
        silence = short_seconds(route.idle_timeout)
        sentences.append(f"A command that writes nothing for {silence} s is ended.")
    if route.disconnect == "finish":
        sentences.append("The command goes on if the client leaves.")
    if route.principals:
        sentences.append(f"For these principals only: {', '.join(route.principals)}.")
    return " ".join(sentences)
