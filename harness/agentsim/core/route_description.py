"""A route in words: for `agentsim routes`, for the agent's help pages, for the page at `/`.

The help page of a route has the same text on every host, so that `agentsim routes URL` can read the
routes of an agent back from it. Its lines are, for each route of the path:

    GET or POST: answers whole as application/json, in 30 s at most, realm mesos-agent-readonly.

    >        id=VALUE  required string of . 0-9 A-Z a-z, 1 to 255 bytes  A package id.

with at least two blanks between the columns of a parameter, and `/VALUE` for the one in the path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from agentsim.core.formatting import short_seconds
from agentsim.core.parameters import TIMEOUT, Parameter
from agentsim.core.route import Route
from agentsim.core.value_types import Boolean, Enum, Integer, List, String, Type

_PLAIN: Final = re.compile(r"[A-Za-z0-9./:_+@-]+")
_ROUTE_LINE: Final = re.compile(
    r"([A-Z-]+(?: or [A-Z-]+)*): answers (whole|in a stream) as (\S+), in (\S+) s at most"
    r"(?:, realm (.+))?\.",
)
_PARAMETER_LINE: Final = re.compile(
    r">        (?:/VALUE \((\S+)\)|(\S+)=VALUE)  +(.+?)(?:  +(.+))?"
)
_REQUIRED: Final = "required "


@dataclass(frozen=True, slots=True)
class Described:
    """A parameter in words; `place` is "query" or "path"."""

    name: str
    place: str
    type: str
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class Description:
    """A route in words; `methods` is empty where an agent's help does not tell."""

    process: str
    path: str
    methods: tuple[str, ...]
    parameters: tuple[Described, ...]
    delivery: str
    type: str
    timeout: str
    realm: str | None
    help: str

    def as_json(self) -> dict[str, object]:
        """The same for `--format=json`."""
        return {**asdict(self), "path": f"/{self.process}{self.path}"}


def describe(route: Route) -> Description:
    """A route of a table in words."""
    return Description(
        process=route.process,
        path=route.path,
        methods=route.methods,
        parameters=tuple(map(_describe_parameter, route.parameters.values())),
        delivery=route.delivery,
        type=route.type,
        timeout=short_seconds(route.timeout),
        realm=route.realm,
        help=route.help,
    )


def _describe_parameter(parameter: Parameter) -> Described:
    return Described(
        parameter.name,
        parameter.source,
        type_text(parameter.type),
        parameter.required,
        parameter.help,
    )


def type_text(type_: Type) -> str:
    """A parameter's type in a few words, without two blanks in a row."""
    match type_:
        case String():
            return _string_text(type_)
        case Integer():
            return f"integer {type_.minimum} to {type_.maximum}"
        case Boolean():
            return "boolean"
        case Enum():
            return "one of " + _choices(type_.values)
        case List():
            return (
                f"{type_.min_items} to {type_.max_items} between commas: {type_text(type_.items)}"
            )


def _string_text(type_: String) -> str:
    words = "string"
    if isinstance(type_.characters, bytes):
        words += f" of {_characters_text(type_.characters)}"
    if type_.min_length == type_.max_length:
        words += f", {type_.max_length} bytes"
    else:
        words += f", {type_.min_length} to {type_.max_length} bytes"
    if type_.prefixes:
        words += ", starts with " + _choices(type_.prefixes)
    return words


def _choices(values: Iterable[bytes]) -> str:
    texts = [value.decode("utf-8", "replace") for value in values]
    return ", ".join(text if _PLAIN.fullmatch(text) else _quoted(text) for text in texts)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("  ", " \\u0020")


def _characters_text(characters: bytes) -> str:
    """Sorted ASCII characters, letters and digits as ranges: `0-9 a-f _`."""
    if characters == bytes(range(0x20, 0x7F)):
        return "ASCII"
    runs: list[list[int]] = []
    for code in characters:
        if runs and runs[-1][1] == code - 1 and chr(code).isalnum() and chr(code) not in "0Aa":
            runs[-1][1] = code
        else:
            runs.append([code, code])
    runs.sort(key=lambda run: not chr(run[0]).isalnum())
    words = []
    for first, last in runs:
        if last - first < 2:
            words += [chr(code) for code in range(first, last + 1)]
        else:
            words.append(f"{chr(first)}-{chr(last)}")
    return " ".join("blank" if word == " " else word for word in words)


# -- the help page ----------------------------------------------------------------------------


def summary(routes: Sequence[Route]) -> str:
    """The help page's TL;DR of the routes of one path."""
    return next((route.help for route in routes if route.help), "Runs a command.")


def help_lines(routes: Sequence[Route]) -> list[str]:
    """The lines of the help page's DESCRIPTION of the routes of one path."""
    lines: list[str] = []
    for route in map(describe, routes):
        how = "whole" if route.delivery == "whole" else "in a stream"
        realm = f", realm {route.realm}" if route.realm is not None else ""
        lines += ["", route.help] if lines and route.help else [""] if lines else []
        lines += [
            f"{' or '.join(route.methods)}: answers {how} as {route.type},"
            f" in {route.timeout} s at most{realm}.",
            "",
        ]
        rows = [(_parameter_head(p), _parameter_type(p), p.help) for p in route.parameters]
        rows.append((f"{TIMEOUT}=VALUE", "number of seconds", "A shorter time-out."))
        widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines += [
            f">        {head:{widths[0]}}  {type_:{widths[1]}}  {text}".rstrip()
            for head, type_, text in rows
        ]
    return lines


def _parameter_head(parameter: Described) -> str:
    if parameter.place == "path":
        return f"/VALUE ({parameter.name})"
    return f"{parameter.name}=VALUE"


def _parameter_type(parameter: Described) -> str:
    return (_REQUIRED if parameter.required else "") + parameter.type


def from_help(process: str, name: str, text: str) -> list[Description]:
    """The routes that an agent's help page tells of.

    A page that is not of this form (one of the agent's own endpoints) is one route, of which only
    the summary is known.

    Args:
        process: the process id.
        name: the endpoint's name, with its slash.
        text: the page, Markdown.
    """
    _, _, rest = text.partition("### TL;DR; ###\n")
    tldr = rest.partition("\n")[0]
    found: list[Description] = []
    for line in rest.split("\n"):
        if (match := _ROUTE_LINE.fullmatch(line)) is not None:
            delivery = "whole" if match[2] == "whole" else "stream"
            methods = tuple(match[1].split(" or "))
            found.append(
                Description(
                    process, name, methods, (), delivery, match[3], match[4], match[5], tldr
                )
            )
        elif (
            found and (match := _PARAMETER_LINE.fullmatch(line)) is not None and match[2] != TIMEOUT
        ):
            found[-1] = _with_parameter(found[-1], match)
    return found or [Description(process, name, (), (), "", "", "", None, tldr)]


def _with_parameter(route: Description, match: re.Match[str]) -> Description:
    type_ = match[3]
    parameter = Described(
        name=match[1] or match[2],
        place="path" if match[1] else "query",
        type=type_.removeprefix(_REQUIRED),
        required=type_.startswith(_REQUIRED),
        help=match[4] or "",
    )
    values = {name: getattr(route, name) for name in route.__slots__}
    return Description(**{**values, "parameters": (*route.parameters, parameter)})
