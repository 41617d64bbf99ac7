"""(method, path) -> route, exactly as libprocess finds a handler.

libprocess, src/process.cpp: `ProcessManager::handle` finds the process, `ProcessBase::consume` the
longest registered prefix of the rest. Methods are no matter of libprocess; the host checks them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agentsim.core.percent_encoding import unescape
from agentsim.core.route_table import Route, Table


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and what follows its path and a slash: bytes as sent, percent escapes and all."""

    route: Route
    rest: bytes


@dataclass(frozen=True, slots=True)
class MethodNotAllowed:
    """A path with routes, none of them for this method; `allowed` in the table's order.

    `realm` is the path's: authentication comes before the method.
    """

    allowed: tuple[str, ...]
    realm: str | None


@dataclass(frozen=True, slots=True)
class NotFound:
    """No table has a route for this path."""


def match(tables: Iterable[Table], method: str, path: bytes) -> Match | MethodNotAllowed | NotFound:
    """The route for `method` and `path`, the bytes of the target before `?` and `#`.

    The process id is percent-decoded, what follows it is not. Trailing slashes are dropped.
    """
    if b"/.." in path or not path.startswith(b"/"):
        return NotFound()
    first = path.lstrip(b"/").partition(b"/")[0]
    # http::decode also turns + into a space; no process id has either.
    process = unescape(first.replace(b"+", b" "))
    if not process:
        return NotFound()
    for table in tables:
        if table.process.encode("ascii") == process:
            # Behind a doubled first slash libprocess does not find the id, and so does not drop it.
            return _find(table, method, path.removeprefix(b"/" + first).strip(b"/"))
    return NotFound()


def _find(table: Table, method: str, path: bytes) -> Match | MethodNotAllowed | NotFound:
    name = path
    while (routes := table.by_path.get(name)) is None:
        name, slash, _ = name.rpartition(b"/")
        if not slash:
            return NotFound()
    route = routes.get(method)
    if route is None:
        return MethodNotAllowed(tuple(routes), next(iter(routes.values())).realm)
    return Match(route, path[len(name) + 1 :])
