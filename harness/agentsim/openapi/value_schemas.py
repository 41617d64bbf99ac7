"""The types of parameters as JSON Schemas, of the value as a client's program has it.

What a schema allows the host takes. The other way round there is one exception: JSON Schema counts
characters, a host bytes of UTF-8, so of strings that are not ASCII only those are allowed that are
short enough however many bytes their characters have. Patterns have no look-ahead, and only escapes
that ECMA-262 has with the flag `u`, so that every engine takes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from agentsim.core.value_types import Boolean, Enum, Integer, List, String, Type

#: A schema of JSON Schema 2020-12.
Schema = dict[str, Any]

_REFUSED: Final[Mapping[str, str]] = {"text": r"\u0000-\u001f\u007f", "any": r"\u0000"}
_ASCII: Final[Mapping[str, bytes]] = {
    "text": bytes(range(0x20, 0x7F)),
    "any": bytes(range(0x01, 0x80)),
}
#: The most bytes of UTF-8 that a character can have.
_CHARACTER_BYTES: Final = 4
_SYNTAX: Final = frozenset("^$\\.*+?()[]{}|")
_SYNTAX_IN_CLASS: Final = frozenset("\\]^[-")
_ITEM_SEPARATOR: Final = ","
_NOTHING: Final = r"[^\s\S]"
#: As text: a number of JSON may have an exponent and any decimals, which no host takes.
TIMEOUT: Final[Schema] = {
    "type": "string",
    "format": "decimal",
    "pattern": r"^(?:[1-9][0-9]{0,5}(?:\.[0-9]{1,3})?"
    r"|0\.(?:[1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$",
}


def query_schema(type_: Type) -> Schema:
    """The schema of a value in the query."""
    match type_:
        case Boolean():
            return {"type": "boolean"}
        case List():
            return {
                "type": "array",
                "items": _scalar_schema(type_.items, without=_ITEM_SEPARATOR),
                "minItems": type_.min_items,
                "maxItems": type_.max_items,
            }
        case _:
            return _scalar_schema(type_)


def path_schema(type_: Type) -> Schema:
    """The schema of a value that is one segment of the path, percent-encoded.

    It is not empty, not `.`, and does not begin with `..`: clients resolve such segments, and
    libprocess refuses what is left of them.
    """
    schema = query_schema(type_)
    if isinstance(type_, String):
        schema["minLength"] = max(1, type_.min_length)
        if not type_.prefixes:
            schema["pattern"] = _segment_pattern(type_)
    return schema


def _segment_pattern(type_: String) -> str:
    def segment(characters: str | bytes, more: str) -> str:
        no_dot = _class(characters, without=".")
        return rf"\.?{no_dot}{_class(characters)}{more}"

    if isinstance(type_.characters, bytes):
        return f"^{segment(type_.characters, '*')}$"
    ascii_only = segment(_ASCII[type_.characters], "*")
    most_of_any = type_.max_length // _CHARACTER_BYTES - 2
    if most_of_any < 0:
        return f"^{ascii_only}$"
    return f"^(?:{ascii_only}|{segment(type_.characters, f'{{0,{most_of_any}}}')})$"


def _scalar_schema(type_: String | Integer | Enum, *, without: str = "") -> Schema:
    match type_:
        case Integer():
            return {"type": "integer", "minimum": type_.minimum, "maximum": type_.maximum}
        case Enum():
            return {"type": "string", "enum": [value.decode() for value in type_.values]}
        case String():
            return {
                "type": "string",
                "minLength": type_.min_length,
                "maxLength": type_.max_length,
                "pattern": _pattern(type_, without),
            }


def _pattern(type_: String, without: str) -> str:
    characters = f"{_class(type_.characters, without=without)}*"
    if type_.prefixes:
        prefixes = "|".join(map(_literal, (prefix.decode() for prefix in type_.prefixes)))
        return f"^(?:{prefixes}){characters}$"
    if isinstance(type_.characters, bytes):
        return f"^{characters}$"
    least, most = type_.min_length, type_.max_length
    ascii_only = f"{_class(_ASCII[type_.characters], without=without)}{{{least},{most}}}"
    if (most_of_any := most // _CHARACTER_BYTES) < max(1, least):
        return f"^{ascii_only}$"
    every = _class(type_.characters, without=without)
    return f"^(?:{ascii_only}|{every}{{{least},{most_of_any}}})$"


def _literal(text: str) -> str:
    return "".join(f"\\{each}" if each in _SYNTAX else each for each in text)


def _class(characters: str | bytes, *, without: str = "") -> str:
    """A character class for a pattern."""
    if isinstance(characters, str):
        return f"[^{_REFUSED[characters]}{without}]"
    allowed = set(characters.decode("ascii")) - set(without)
    return f"[{''.join(_ranges(allowed))}]" if allowed else _NOTHING


def _ranges(characters: Iterable[str]) -> Iterable[str]:
    """Characters for a class, in order, those that follow each other as ranges."""
    runs: list[list[str]] = []
    for each in sorted(characters):
        if runs and ord(runs[-1][-1]) == ord(each) - 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    for run in runs:
        if len(run) > 2:
            yield f"{_escaped(run[0])}-{_escaped(run[-1])}"
        else:
            yield from map(_escaped, run)


def _escaped(character: str) -> str:
    if not " " <= character <= "~":
        return f"\\u{ord(character):04x}"
    return f"\\{character}" if character in _SYNTAX_IN_CLASS else character
