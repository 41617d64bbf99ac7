"""The types of parameters, and which bytes are a value of each.

A value is bytes from the network until `judge` says otherwise. No regular expressions: the two
languages' engines differ, and some patterns can be made to run for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agentsim.core.table_reader import MAX_INTEGER

_CONTROLS: Final = bytes([*range(0x20), 0x7F])
_DIGITS: Final = b"0123456789"


@dataclass(frozen=True, slots=True)
class String:
    """Text of `min_length` to `max_length` bytes, UTF-8 (RFC 3629), never with NUL.

    `characters` is "text" (no C0 controls, no DEL), "any" (everything but NUL), or the ASCII bytes
    that are allowed. With `prefixes`, the value starts with one of them.
    """

    min_length: int
    max_length: int
    characters: str | bytes
    prefixes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in canonical decimal: `0`, or an optional `-` and no leading zero."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Boolean:
    """`true`, `1` and empty put `flag` into argv; `false` and `0` leave it out."""

    flag: bytes


@dataclass(frozen=True, slots=True)
class Enum:
    """Exactly one of `values`."""

    values: tuple[bytes, ...]


Scalar = String | Integer | Enum


@dataclass(frozen=True, slots=True)
class List:
    """`min_items` to `max_items` values of one type, separated by commas."""

    items: Scalar
    min_items: int
    max_items: int


Type = Scalar | Boolean | List


class UnfitError(Exception):
    """A value that its type does not allow; the message completes "the value … "."""


def judge(type_: Type, value: bytes) -> list[bytes]:
    """The argv elements that `value` stands for; an empty list for a boolean that is false.

    Raises UnfitError if it is no value of this type.
    """
    match type_:
        case String():
            return [_string(type_, value)]
        case Integer():
            return [_integer(type_, value)]
        case Enum():
            return [_enum(type_, value)]
        case Boolean():
            if value in (b"true", b"1", b""):
                return [type_.flag]
            if value in (b"false", b"0"):
                return []
            raise UnfitError("must be true, false, 1, 0 or empty")
        case List():
            items = value.split(b",", type_.max_items)
            if not type_.min_items <= len(items) <= type_.max_items:
                raise UnfitError(
                    f"must have {type_.min_items} to {type_.max_items} items between commas"
                )
            return [judge(type_.items, item)[0] for item in items]


def _string(type_: String, value: bytes) -> bytes:
    if not type_.min_length <= len(value) <= type_.max_length:
        raise UnfitError(f"must have {type_.min_length} to {type_.max_length} bytes")
    if isinstance(type_.characters, bytes):
        if value.translate(None, type_.characters):
            raise UnfitError("has a character that is not allowed")
    else:
        refused = _CONTROLS if type_.characters == "text" else b"\0"
        if len(value.translate(None, refused)) != len(value):
            raise UnfitError("has a control character")
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            raise UnfitError("must be UTF-8") from None
    if type_.prefixes and not value.startswith(type_.prefixes):
        allowed = ", ".join(prefix.decode("utf-8") for prefix in type_.prefixes)
        raise UnfitError(f"must start with one of: {allowed}")
    return value


def _integer(type_: Integer, value: bytes) -> bytes:
    digits = value.removeprefix(b"-")
    if (
        not digits
        or digits.translate(None, _DIGITS)
        or (digits.startswith(b"0") and value != b"0")
        or len(digits) > len(str(MAX_INTEGER))
        or not type_.minimum <= int(value) <= type_.maximum
    ):
        raise UnfitError(f"must be a whole number from {type_.minimum} to {type_.maximum}")
    return value


def _enum(type_: Enum, value: bytes) -> bytes:
    if value not in type_.values:
        allowed = ", ".join(choice.decode("utf-8") for choice in type_.values)
        raise UnfitError(f"must be one of: {allowed}")
    return value
