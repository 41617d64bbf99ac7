"""(route, query, rest of the path) -> arguments, or the refusal that answers the request.

Nothing here raises, whatever the bytes. Of several mistakes the one named is always the same: the
path first, then unknown keys, the time-out, then parameters, each in the order of their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentsim.core.argv_template import Literal
from agentsim.core.formatting import quote
from agentsim.core.parameters import TIMEOUT
from agentsim.core.percent_encoding import unescape
from agentsim.core.route_table import Route
from agentsim.core.status_names import REASONS
from agentsim.core.value_types import UnfitError, judge

_TIMEOUT_KEY: Final = TIMEOUT.encode("ascii")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What to run: arguments to follow the table's command, and the time-out in seconds."""

    arguments: list[bytes]
    timeout: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that starts no command; `reason` is a key of REASONS."""

    status: int
    reason: str
    title: str
    detail: str


def refuse(reason: str, detail: str) -> Refusal:
    """The refusal for one of REASONS; `detail` says what is wrong and what would be right."""
    status, title = REASONS[reason]
    return Refusal(status, reason, title, detail)


def build(route: Route, query: Mapping[bytes, bytes], rest: bytes) -> CommandLine | Refusal:
    """The command line that a request asks for.

    `query` is what `agentsim.core.query_string.decode` gave, `rest` what
    `agentsim.core.route_match` left over of the path.
    """
    values: dict[str, list[bytes]] = {}
    timeout = route.timeout
    if rest or query or route.by_name:
        values_by_name = _given(route, query, rest)
        if isinstance(values_by_name, Refusal):
            return values_by_name
        asked = _timeout(query.get(_TIMEOUT_KEY))
        if isinstance(asked, Refusal):
            return asked
        if asked is not None:
            timeout = min(timeout, asked)
        for name, parameter in route.by_name.items():
            value = values_by_name.get(name)
            if value is None:
                if parameter.required:
                    return refuse("missing-parameter", f"The parameter {quote(name)} is required.")
                continue
            try:
                values[parameter.name] = judge(parameter.type, value)
            except UnfitError as unfit:
                return refuse("bad-parameter", f"The parameter {quote(name)} {unfit}.")
    arguments: list[bytes] = []
    for element in route.argv:
        if isinstance(element, Literal):
            arguments.append(element.text)
        else:
            for value in values.get(element.name, ()):
                arguments.append(element.prefix + value)
    return CommandLine(arguments, timeout)


def _given(
    route: Route, query: Mapping[bytes, bytes], rest: bytes
) -> Mapping[bytes, bytes] | Refusal:
    """The values by parameter name, those of the query and that of the path."""
    in_path = route.path_parameter
    if rest and in_path is None:
        return refuse(
            "unknown-path",
            f"Nothing is under /{route.process}{route.path}; leave out what follows.",
        )
    unknown = [
        key
        for key in query
        if key != _TIMEOUT_KEY
        and ((known := route.by_name.get(key)) is None or known.source == "path")
    ]
    if unknown:
        names = [*(name for name, known in route.by_name.items() if known.source == "query")]
        known_names = ", ".join(quote(name) for name in sorted([*names, _TIMEOUT_KEY]))
        return refuse(
            "unknown-parameter",
            f"There is no parameter {quote(min(unknown))} here; there are: {known_names}.",
        )
    if in_path is None or not rest:
        return query
    decoded = unescape(rest)
    name = in_path.name.encode("ascii")
    if decoded is None or b"\0" in decoded:
        return refuse(
            "bad-parameter", f"The parameter {quote(name)} has a malformed escape or a NUL byte."
        )
    return {**query, name: decoded}


def _timeout(value: bytes | None) -> float | Refusal | None:
    if value is None:
        return None
    whole, point, fraction = value.partition(b".")
    if (
        not 1 <= len(whole) <= 6
        or not whole.isdigit()
        or (point and not (1 <= len(fraction) <= 3 and fraction.isdigit()))
        or float(value) == 0
    ):
        return refuse(
            "bad-parameter",
            f"The parameter {TIMEOUT} must be a number of seconds such as 30 or 0.5, above 0.",
        )
    return float(value)
