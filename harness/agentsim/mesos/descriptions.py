"""What messages are made of, read once from `messages.proto`.

The notation is protobuf's own, so that the descriptions can be compared with Mesos's; read is what
that file needs of it: flat messages and enumerations, no imports; defaults are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

#: The types of fields that are neither messages nor enumerations.
SCALARS: Final = frozenset(("bool", "int32", "int64", "uint64", "double", "string", "bytes"))

_COMMENT = re.compile(r"//[^\n]*")
_BLOCK = re.compile(r"(message|enum)\s+(\w+)\s*\{([^{}]*)\}")
_FIELD = re.compile(
    r"(required|optional|repeated)\s+(\w+)\s+(\w+)\s*=\s*(\d+)\s*(?:\[default = \w+\])?\s*;"
)
_VALUE = re.compile(r"(\w+)\s*=\s*(\d+)\s*;")


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enumeration: numbers by name, and names by number."""

    name: str
    numbers: Mapping[str, int]
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Attributes:
        number: what it is called on the wire.
        label: `required`, `optional` or `repeated`.
        type: what its values are: one of `SCALARS`, a message or an enumeration.
        repeated: whether its value is a list.
    """

    number: int
    name: str
    label: str
    type: str | Message | Enumeration
    repeated: bool


@dataclass(slots=True, eq=False)
class Message:
    """A kind of message; its fields in the order of their declaration, which JSON keeps."""

    name: str
    fields: list[Field] = field(default_factory=list)
    by_number: dict[int, Field] = field(default_factory=dict)
    by_name: dict[str, Field] = field(default_factory=dict)
    #: In the order of their numbers, which the wire keeps.
    ordered: list[Field] = field(default_factory=list)


def read(text: str) -> dict[str, Message]:
    """The messages that a text describes, by name.

    Raises:
        ValueError: there is something in it that is not understood.
    """
    text = _COMMENT.sub("", text)
    blocks = list(_BLOCK.finditer(text))
    _expect_nothing(_BLOCK.sub("", text))
    types: dict[str, Message | Enumeration] = {}
    for kind, name, body in (block.groups() for block in blocks):
        if kind == "enum":
            numbers = {each: int(number) for each, number in _VALUE.findall(body)}
            _expect_nothing(_VALUE.sub("", body))
            types[name] = Enumeration(name, numbers, {n: each for each, n in numbers.items()})
        else:
            types[name] = Message(name)
    for _, name, body in (block.groups() for block in blocks):
        message = types[name]
        if isinstance(message, Message):
            _expect_nothing(_FIELD.sub("", body))
            for match in _FIELD.finditer(body):
                _add(message, match, types)
    return {name: each for name, each in types.items() if isinstance(each, Message)}


def _add(
    message: Message, match: re.Match[str], types: Mapping[str, Message | Enumeration]
) -> None:
    label, type_name, name, number = match.groups()
    kind = type_name if type_name in SCALARS else types.get(type_name)
    if kind is None:
        raise ValueError(f"{message.name}.{name}: there is no type {type_name}")
    made = Field(int(number), name, label, kind, label == "repeated")
    message.fields.append(made)
    message.by_number[made.number] = message.by_name[name] = made
    message.ordered = sorted(message.fields, key=lambda each: each.number)


def _expect_nothing(rest: str) -> None:
    if rest.strip():
        raise ValueError(f"not understood: {rest.strip()[:80]!r}")


#: Every message that is described, by name.
MESSAGES: Final[Mapping[str, Message]] = read(
    files(__package__).joinpath("messages.proto").read_text("utf-8")
)
