"""The `parameters` of a route: their declarations, as read from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentsim.core.table_errors import member
from agentsim.core.table_reader import MAX_INTEGER, TableReader
from agentsim.core.value_types import Boolean, Enum, Integer, List, Scalar, String, Type

MAX_LENGTH: Final = 65535
MAX_ITEMS: Final = 1024
MAX_HELP: Final = 1000

# Queries may always ask for a shorter time-out; no parameter can have that name.
TIMEOUT: Final = "timeout"

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NAME: Final = frozenset(_LETTERS + "0123456789_-")
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_CLASSES: Final = ("text", "ascii", "any")
_OWN_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("min_length", "max_length", "characters", "prefixes"),
    "integer": ("minimum", "maximum"),
    "boolean": ("flag",),
    "enum": ("values",),
    "list": ("items", "min_items", "max_items"),
}
_SCALARS: Final = ("string", "integer", "enum")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter; `source` is "query", or "path" for the rest of the path."""

    name: str
    source: str
    type: Type
    required: bool
    help: str


def read_parameters(
    reader: TableReader, place: str, declared: Mapping[str, object]
) -> dict[str, Parameter]:
    """The declarations in the object at `place`; a broken one is reported and left out."""
    result = {}
    for name, declaration in declared.items():
        inner = member(place, name)
        if name == TIMEOUT:
            reader.add(inner, "reserved", f'every route has a parameter "{TIMEOUT}" of its own')
        elif not _is_name(name):
            reader.add(
                inner,
                "value",
                "a parameter's name is a letter, then up to 63 letters, digits, _ or -",
            )
        elif (parameter := _read_parameter(reader, inner, name, declaration)) is not None:
            result[name] = parameter
    in_path = [name for name, parameter in result.items() if parameter.source == "path"]
    for name in sorted(in_path)[1:]:
        reader.add(
            member(member(place, name), "in"), "conflict", "only one parameter can be the path"
        )
    return result


def read_help(reader: TableReader, place: str, declaration: Mapping[str, object]) -> str:
    """The field `help` of the object at `place`, empty if there is none."""
    text = reader.string(member(place, "help"), declaration.get("help", "")) or ""
    if len(text.encode("utf-8")) > MAX_HELP or any(c < " " or c == "\x7f" for c in text):
        reader.add(member(place, "help"), "value", f"help is one line, {MAX_HELP} bytes at most")
    return text


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 64 and name[0] in _LETTERS and _NAME.issuperset(name)


def _read_parameter(reader: TableReader, place: str, name: str, value: object) -> Parameter | None:
    declaration = reader.mapping(place, value, required=("type",))
    if declaration is None or "type" not in declaration:
        return None
    before = len(reader.mistakes)
    type_ = _read_type(reader, place, declaration, ("in", "required", "help"))
    source = reader.choice(member(place, "in"), declaration.get("in", "query"), ("query", "path"))
    required = reader.boolean(member(place, "required"), declaration.get("required", False))
    text = read_help(reader, place, declaration)
    if len(reader.mistakes) > before:
        return None
    assert type_ is not None
    assert source is not None
    return Parameter(name, source, type_, bool(required), text)


def _read_type(
    reader: TableReader, place: str, declaration: dict[str, object], common: tuple[str, ...]
) -> Type | None:
    kind = reader.choice(member(place, "type"), declaration["type"], tuple(_OWN_FIELDS))
    if kind is None:
        return None
    reader.mapping(place, declaration, known=("type", *common, *_OWN_FIELDS[kind]))
    match kind:
        case "boolean":
            return _read_boolean(reader, place, declaration)
        case "list":
            return _read_list(reader, place, declaration)
        case _:
            return _read_scalar(reader, place, declaration, kind)


def _read_scalar(
    reader: TableReader, place: str, declaration: dict[str, object], kind: str
) -> Scalar | None:
    match kind:
        case "string":
            return _read_string(reader, place, declaration)
        case "integer":
            minimum, maximum = _read_bounds(
                reader,
                place,
                declaration,
                names=("minimum", "maximum"),
                least=-MAX_INTEGER,
                defaults=(-MAX_INTEGER, MAX_INTEGER),
                most=MAX_INTEGER,
            )
            return Integer(minimum, maximum)
        case _:
            return _read_enum(reader, place, declaration)


def _read_bounds(
    reader: TableReader,
    place: str,
    declaration: Mapping[str, object],
    *,
    names: tuple[str, str],
    least: int,
    defaults: tuple[int, int],
    most: int,
) -> tuple[int, int]:
    """Two fields, least <= first <= second <= most."""
    found = []
    for name, default in zip(names, defaults, strict=True):
        inner = member(place, name)
        value = reader.integer(inner, declaration.get(name, default), least, most)
        found.append(default if value is None else value)
    low, high = found
    if low > high:
        name = names[0] if names[0] in declaration else names[1]
        reader.add(
            member(place, name), "conflict", f"{names[0]} is {low}, more than {names[1]}, {high}"
        )
    return low, high


def _read_string(reader: TableReader, place: str, declaration: Mapping[str, object]) -> String:
    minimum, maximum = _read_bounds(
        reader,
        place,
        declaration,
        names=("min_length", "max_length"),
        least=0,
        defaults=(1, 4096),
        most=MAX_LENGTH,
    )
    characters = _read_characters(
        reader, member(place, "characters"), declaration.get("characters", "text")
    )
    prefixes = []
    if "prefixes" in declaration:
        inner = member(place, "prefixes")
        for index, item in enumerate(reader.sequence(inner, declaration["prefixes"], 1, 64) or ()):
            text = reader.string(member(inner, index), item)
            if text == "":
                reader.add(
                    member(inner, index), "value", "every value starts with nothing; leave it out"
                )
            prefixes.append((text or "").encode("utf-8"))
    return String(minimum, maximum, characters, tuple(prefixes))


def _read_characters(reader: TableReader, place: str, value: object) -> str | bytes:
    if isinstance(value, str):
        name = reader.choice(place, value, _CLASSES)
        return _PRINTABLE if name == "ascii" else name or "text"
    if not isinstance(value, list):
        reader.add(place, "type", 'this must be text, ascii, any, or a list such as ["a-z"]')
        return "text"
    allowed: set[int] = set()
    for index, item in enumerate(reader.sequence(place, value, 1, 128) or ()):
        text = reader.string(member(place, index), item)
        if text is None:
            continue
        if not text or any(not " " <= character <= "~" for character in text):
            reader.add(
                member(place, index), "value", "one or more printable ASCII characters, or a-z"
            )
        elif len(text) == 3 and text[1] == "-" and text[0] <= text[2]:
            allowed.update(range(ord(text[0]), ord(text[2]) + 1))
        else:
            allowed.update(map(ord, text))
    return bytes(sorted(allowed))


def _read_boolean(
    reader: TableReader, place: str, declaration: Mapping[str, object]
) -> Boolean | None:
    if "flag" not in declaration:
        reader.add(place, "missing-field", 'a boolean needs the field "flag", such as "--force"')
        return None
    inner = member(place, "flag")
    text = reader.string(inner, declaration["flag"])
    if text is None:
        return None
    if not is_flag(text):
        reader.add(inner, "value", "a flag is -x, or -- and lower-case letters, digits and -")
        return None
    return Boolean(text.encode("ascii"))


def is_flag(text: str) -> bool:
    """Whether `text` is an option by itself: -x or --name."""
    if len(text) == 2 and text[0] == "-":
        return text[1].isascii() and text[1].isalnum()
    return text.startswith("--") and is_option_name(text[2:])


def is_option_name(text: str) -> bool:
    """Whether `text` is what may stand between `--` and `=`: [a-z0-9][a-z0-9-]*."""
    return (
        text != ""
        and text[0] != "-"
        and all("a" <= c <= "z" or "0" <= c <= "9" or c == "-" for c in text)
    )


def _read_enum(reader: TableReader, place: str, declaration: Mapping[str, object]) -> Enum | None:
    if "values" not in declaration:
        reader.add(place, "missing-field", 'an enum needs the field "values", a list of strings')
        return None
    inner = member(place, "values")
    values: list[bytes] = []
    for index, item in enumerate(reader.sequence(inner, declaration["values"], 1, 1024) or ()):
        text = reader.string(member(inner, index), item)
        if text is None:
            continue
        if text.encode("utf-8") in values:
            reader.add(member(inner, index), "duplicate-value", "this value is there twice")
        values.append(text.encode("utf-8"))
    return Enum(tuple(values))


def _read_list(reader: TableReader, place: str, declaration: Mapping[str, object]) -> List | None:
    minimum, maximum = _read_bounds(
        reader,
        place,
        declaration,
        names=("min_items", "max_items"),
        least=1,
        defaults=(1, 64),
        most=MAX_ITEMS,
    )
    if "items" not in declaration:
        reader.add(place, "missing-field", 'a list needs the field "items", the type of each')
        return None
    inner = member(place, "items")
    items = reader.mapping(inner, declaration["items"], required=("type",))
    if items is None or "type" not in items:
        return None
    kind = reader.choice(member(inner, "type"), items["type"], _SCALARS)
    if kind is None:
        return None
    reader.mapping(inner, items, known=("type", *_OWN_FIELDS[kind]))
    scalar = _read_scalar(reader, inner, items, kind)
    if isinstance(scalar, Enum):
        for index, choice in enumerate(scalar.values):
            if b"," in choice:
                reader.add(
                    member(member(inner, "values"), index),
                    "value",
                    "a comma separates the items of a list; none can hold one",
                )
    return None if scalar is None else List(scalar, minimum, maximum)
