"""Route tables: the JSON file that says which command line each route runs, and how.

`parse` is all or nothing. A table with any mistake is refused as a whole, with all its mistakes, so
that no host ever serves half of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agentsim.core.argv_template import Element
from agentsim.core.parameters import Parameter
from agentsim.core.route import Route, RouteReader
from agentsim.core.route_policy import POLICY_FIELDS, Fields, Limits, read_policy
from agentsim.core.strict_json import read
from agentsim.core.table_errors import Mistake, TableError, member
from agentsim.core.table_reader import TableReader

__all__ = ["Element", "Limits", "Mistake", "Parameter", "Route", "Table", "TableError", "parse"]

ABI_VERSION: Final = 1
MAX_ROUTES: Final = 1000

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALPHANUMERIC: Final = _LETTERS + "0123456789"
_PROCESS: Final = frozenset(_ALPHANUMERIC + "_-")
_VARIABLE: Final = frozenset(_ALPHANUMERIC + "_")

# First segments of paths that libprocess or the agent answers itself: their own processes, and the
# agent's routes, which are reached without its process id as well.
_RESERVED: Final = frozenset(
    (
        *("api", "containerizer", "containers", "files", "flags", "health", "help", "logging"),
        *("master", "memory-profiler", "metrics", "monitor", "profiler", "slave", "state"),
        *("system", "version"),
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A valid route table. `by_path` finds a path's routes: {b"add": {"POST": route}}."""

    process: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    routes: tuple[Route, ...]
    by_path: Mapping[bytes, Mapping[str, Route]] = field(repr=False)


def parse(text: bytes, file: str) -> Table:
    """The table in `text`, the bytes of `file` (which only names it in mistakes).

    Raises TableError with every mistake.
    """
    reader = TableReader(file)
    top = _read_top(reader, read(text, reader))
    if "$schema" in top:
        reader.string("/$schema", top["$schema"])  # for editors
    process = _read_process(reader, top["process"]) if "process" in top else ""
    command = _read_command(reader, top["command"]) if "command" in top else ()
    environment = _read_environment(reader, top.get("environment", {}))
    defaults: Fields = {}
    if "defaults" in top:
        value = reader.mapping("/defaults", top["defaults"], known=POLICY_FIELDS) or {}
        defaults = read_policy(reader, "/defaults", value)
    route_reader = RouteReader(reader, process, defaults)
    routes: list[Route] = []
    items = reader.sequence("/routes", top["routes"], 1, MAX_ROUTES) if "routes" in top else None
    for index, item in enumerate(items or ()):
        if (route := route_reader.read(index, item)) is not None:
            routes.append(route)
    reader.raise_if_any()
    by_path: dict[bytes, dict[str, Route]] = {}
    for route in routes:
        methods = by_path.setdefault(route.path[1:].encode("ascii"), {})
        methods.update(dict.fromkeys(route.methods, route))
    return Table(process, command, environment, tuple(routes), by_path)


def _read_top(reader: TableReader, value: object) -> dict[str, object]:
    top = reader.mapping("", value) or {}
    if "abi" in top:
        _read_version(reader, top["abi"])
    # A table of another version, or no table at all: every further word would mislead.
    reader.raise_if_any()
    reader.mapping(
        "",
        top,
        known=("$schema", "abi", "process", "command", "environment", "defaults", "routes"),
        required=("abi", "process", "command", "routes"),
    )
    return top


def _read_version(reader: TableReader, value: object) -> None:
    # Not `integer`: its range would be one number wide.
    if isinstance(value, bool) or not isinstance(value, int | float):
        reader.integer("/abi", value, ABI_VERSION, ABI_VERSION)
    elif not isinstance(value, int) or value != ABI_VERSION:
        reader.add("/abi", "range", f"this host speaks version {ABI_VERSION} of the ABI only")


def _read_process(reader: TableReader, value: object) -> str:
    name = reader.string("/process", value)
    if name is None:
        return ""
    if not 0 < len(name) <= 64 or not _PROCESS.issuperset(name):
        reader.add("/process", "value", "a process id has 1 to 64 letters, digits, _ or -")
    elif name in _RESERVED or name.startswith("__"):
        reader.add("/process", "reserved", f'the agent answers "/{name}" itself; take another')
    return name


def _read_command(reader: TableReader, value: object) -> tuple[str, ...]:
    words = []
    for index, item in enumerate(reader.sequence("/command", value, 1, 64) or ()):
        place = member("/command", index)
        word = reader.string(place, item)
        if word is None:
            continue
        if index == 0 and (not word or ("/" in word and not word.startswith("/"))):
            reader.add(
                place, "value", "a program is an absolute path, or a name to be found in PATH"
            )
        words.append(word)
    return tuple(words)


def _read_environment(reader: TableReader, value: object) -> dict[str, str]:
    environment = {}
    for name, item in (reader.mapping("/environment", value) or {}).items():
        place = member("/environment", name)
        if not name or not _VARIABLE.issuperset(name) or name[0].isdigit():
            reader.add(
                place, "value", "a variable's name has letters, digits and _, no digit first"
            )
        elif name.startswith("ABI_"):
            reader.add(place, "reserved", "variables that start with ABI_ are set by the host")
        text = reader.string(place, item)
        if text is not None:
            environment[name] = text
    return environment
