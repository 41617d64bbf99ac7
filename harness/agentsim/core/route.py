"""One route of a table: its path, methods, argv template, parameters and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from agentsim.core.argv_template import Element, read_argv
from agentsim.core.parameters import Parameter, read_help, read_parameters
from agentsim.core.route_policy import POLICY_FIELDS, Fields, Policy, read_policy, resolve
from agentsim.core.status_names import METHODS
from agentsim.core.table_errors import member
from agentsim.core.table_reader import TableReader

MAX_PATH: Final = 1024

_SEGMENT: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")


@dataclass(frozen=True, slots=True, eq=False)
class Route(Policy):
    """One path, its methods, the command line that they run and its policy.

    Times are seconds, sizes bytes. `methods` are in the table's order. `by_name` has the declared
    parameters by the bytes of their names, sorted; `path_parameter` is the one that takes the rest
    of the path.
    """

    process: str
    path: str
    methods: tuple[str, ...]
    argv: tuple[Element, ...]
    parameters: Mapping[str, Parameter]
    help: str
    by_name: Mapping[bytes, Parameter]
    path_parameter: Parameter | None


class RouteReader:
    """Reads the routes of one table, in order; knows what the earlier ones have taken."""

    def __init__(self, reader: TableReader, process: str, defaults: Fields) -> None:
        self.reader = reader
        self.process = process
        self.defaults = defaults
        self.methods: dict[tuple[str, str], int] = {}
        self.realms: dict[str, tuple[int, str | None]] = {}

    def read(self, index: int, value: object) -> Route | None:
        """Route number `index`, or None if it has a mistake."""
        reader = self.reader
        place = f"/routes/{index}"
        item = reader.mapping(
            place,
            value,
            known=("path", "method", "argv", "parameters", "help", *POLICY_FIELDS),
            required=("path", "method", "argv"),
        )
        if item is None:
            return None
        before = len(reader.mistakes)
        path = _read_path(reader, f"{place}/path", item["path"]) if "path" in item else ""
        methods: tuple[str, ...] = ()
        if "method" in item:
            methods = _read_methods(reader, f"{place}/method", item["method"])
        declared = reader.mapping(f"{place}/parameters", item.get("parameters", {}))
        parameters = read_parameters(reader, f"{place}/parameters", declared or {})
        argv: tuple[Element, ...] = ()
        if "argv" in item:
            argv = read_argv(reader, f"{place}/argv", item["argv"], parameters, declared)
        policy = resolve(reader, place, self.defaults, read_policy(reader, place, item))
        text = read_help(reader, place, item)
        self._take(index, path, methods, policy.realm)
        if len(reader.mistakes) > before:
            return None
        return Route(
            process=self.process,
            path=path,
            methods=methods,
            argv=argv,
            parameters=parameters,
            **{field.name: getattr(policy, field.name) for field in fields(policy)},
            help=text,
            by_name={name.encode("ascii"): parameters[name] for name in sorted(parameters)},
            path_parameter=next((p for p in parameters.values() if p.source == "path"), None),
        )

    def _take(self, index: int, path: str, methods: tuple[str, ...], realm: str | None) -> None:
        """Reports where the route at `index` contradicts an earlier one of the same path."""
        if not path:
            return
        place = f"/routes/{index}"
        taken = [
            (method, earlier)
            for method in methods
            if (earlier := self.methods.setdefault((path, method), index)) != index
        ]
        if taken:
            method, earlier = taken[0]
            self.reader.add(
                place,
                "duplicate-route",
                f"{method} {path} is route {earlier} already; remove one of them",
            )
        earlier, known = self.realms.setdefault(path, (index, realm))
        if known != realm:
            # libprocess authenticates by path, before it looks at the method.
            self.reader.add(
                place,
                "conflict",
                f"route {earlier} has the same path in another realm; a path has one realm",
            )


def _read_path(reader: TableReader, place: str, value: object) -> str:
    path = reader.string(place, value)
    if path is None:
        return ""
    first, *segments = path.split("/")
    if first or not segments or not all(map(_is_segment, segments)) or len(path) > MAX_PATH:
        reader.add(
            place,
            "value",
            'a path is "/" and a segment, once or more often; segments have letters, digits, '
            'and . _ ~ -, are not "." and do not start with ".."',
        )
        return ""
    return path


def _is_segment(text: str) -> bool:
    # "." can't be reached and "/.." is always 404 in libprocess.
    return text not in ("", ".") and not text.startswith("..") and _SEGMENT.issuperset(text)


def _read_methods(reader: TableReader, place: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return _read_method(reader, place, value)
    if not isinstance(value, list):
        reader.add(place, "type", 'this must be a method such as "GET", or a list of them')
        return ()
    methods: list[str] = []
    for index, item in enumerate(reader.sequence(place, value, 1, len(METHODS)) or ()):
        inner = member(place, index)
        for method in _read_method(reader, inner, item):
            if method in methods:
                reader.add(inner, "duplicate-value", "this method is there twice")
            else:
                methods.append(method)
    return tuple(methods)


def _read_method(reader: TableReader, place: str, value: object) -> tuple[str, ...]:
    method = reader.string(place, value)
    if method is None:
        return ()
    if method not in METHODS:
        reader.add(place, "value", f'"{method[:20]}" is no method that libprocess routes')
        return ()
    return (method,)
