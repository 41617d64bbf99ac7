"""The `argv` of a route: literals, `{name}` and `--option={name}`, as read from a table.

The rule of this file: no table that lets a value become an option is valid. A value stands alone
only after a literal `--`, or is tied to an option's name by `=`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentsim.core.parameters import Parameter, is_option_name
from agentsim.core.table_errors import member
from agentsim.core.table_reader import TableReader
from agentsim.core.value_types import Boolean

END_OF_OPTIONS: Final = "--"


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument as it stands in the table."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Value:
    """`prefix` and the value of parameter `name`, once for each of its items.

    `prefix` is empty for `{name}` and `--option=` for `--option={name}`.
    """

    prefix: bytes
    name: str


Element = Literal | Value


def read_argv(
    reader: TableReader,
    place: str,
    value: object,
    parameters: Mapping[str, Parameter],
    declared: Mapping[str, object] | None,
) -> tuple[Element, ...]:
    """The template at `place`.

    `declared` has the names of all parameters, `parameters` those without mistakes of their own;
    None if nobody can tell which are declared.
    """
    items = reader.sequence(place, value, 0, 1024)
    if items is None:
        return ()
    elements: list[Element] = []
    used = set()
    guarded = False
    for index, item in enumerate(items):
        inner = member(place, index)
        text = reader.string(inner, item)
        if text is None:
            continue
        if "{" not in text and "}" not in text:
            guarded = guarded or text == END_OF_OPTIONS
            elements.append(Literal(text.encode("utf-8")))
            continue
        split = _split(text)
        if split is None:
            reader.add(
                inner,
                "template",
                "this must be a literal without braces, {name}, or --option={name}",
            )
            continue
        prefix, name = split
        if declared is not None and name not in declared:
            reader.add(inner, "undeclared-parameter", f'no parameter "{name}" is declared')
            continue
        used.add(name)
        elements.append(Value(prefix.encode("ascii"), name))
        if name in parameters:
            _check_position(reader, inner, prefix, parameters[name], guarded)
    parent = place.rpartition("/")[0]
    for name in declared or ():
        if name not in used:
            reader.add(
                member(member(parent, "parameters"), name),
                "unused-parameter",
                f"argv does not use it; add {{{name}}} there or remove it here",
            )
    return tuple(elements)


def _split(text: str) -> tuple[str, str] | None:
    """(`--option=` or empty, name), or None if `text` is no template."""
    prefix, brace, rest = text.partition("{")
    name, closing, after = rest.partition("}")
    if not brace or not closing or after or not name or "{" in name or "}" in prefix:
        return None
    if prefix and not (
        prefix.startswith("--") and prefix.endswith("=") and is_option_name(prefix[2:-1])
    ):
        return None
    return prefix, name


def _check_position(
    reader: TableReader, place: str, prefix: str, parameter: Parameter, guarded: bool
) -> None:
    name = parameter.name
    if isinstance(parameter.type, Boolean):
        if prefix:
            reader.add(
                place, "boolean-value", f"a boolean has no value to write; use {{{name}}} alone"
            )
        elif guarded:
            reader.add(
                place, "after-end-of-options", "after -- a flag is no option; move it before --"
            )
    elif prefix and guarded:
        reader.add(place, "after-end-of-options", "after -- this is no option; move it before --")
    elif not prefix and not guarded:
        reader.add(
            place,
            "unguarded-value",
            f'a value here could become an option; put "--" before it, or --option={{{name}}}',
        )
