"""Values for the parameters of a route, and the command line that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from agentsim.core.argv import Refusal, build
from agentsim.core.route import Route
from agentsim.core.value_types import Boolean, Enum, Integer, List, String, Type

_LIKELY = b"a1A_-. /"


class BadSample(ValueError):
    """The values given for a route are none that a host would pass on; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A route and the arguments of one request to it; what follows `--` begins at `operands`."""

    route: Route
    arguments: tuple[bytes, ...]

    @property
    def operands(self) -> int:
        """Where the operands begin; the number of arguments if there is no `--`."""
        try:
            return self.arguments.index(b"--") + 1
        except ValueError:
            return len(self.arguments)


def sample(route: Route, chosen: Mapping[str, bytes]) -> Sample:
    """The command line of a request to a route.

    Args:
        route: the route.
        given: values by parameter; what is required and not here is made up from its type, what
            is optional is left out.

    Raises:
        BadSample: a host would refuse these values.
    """
    unknown = set(chosen) - set(route.parameters)
    if unknown:
        raise BadSample(f"/{route.process}{route.path} has no parameter {min(unknown)!r}")
    values = {
        name: chosen.get(name, b"") if name in chosen else made_up(parameter.type)
        for name, parameter in route.parameters.items()
        if name in chosen or parameter.required
    }
    in_path = route.path_parameter
    rest = values.pop(in_path.name, b"") if in_path is not None else b""
    query = {name.encode(): value for name, value in values.items()}
    built = build(route, query, quote_from_bytes(rest, safe="/").encode())
    if isinstance(built, Refusal):
        raise BadSample(f"/{route.process}{route.path}: {built.detail} Give it with --sample.")
    return Sample(route, tuple(built.arguments))


def made_up(type_: Type) -> bytes:
    """A value that a type allows."""
    match type_:
        case String():
            return _made_up_string(type_)
        case Integer():
            return str(max(type_.minimum, min(1, type_.maximum))).encode()
        case Boolean():
            return b"true"
        case Enum():
            return type_.values[0]
        case List():
            return b",".join([made_up(type_.items)] * type_.min_items)


def _made_up_string(type_: String) -> bytes:
    allowed = type_.characters if isinstance(type_.characters, bytes) else b"a"
    likely = next((c for c in _LIKELY if c in allowed), allowed[0])
    prefix = type_.prefixes[0] if type_.prefixes else b""
    return prefix + bytes([likely]) * max(type_.min_length - len(prefix), 1)
