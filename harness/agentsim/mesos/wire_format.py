"""Messages as bytes, and back: protobuf's encoding of what `messages.proto` describes.

A message is a dictionary by field name; values are Python's own, enumerations their names, absent
fields not there. Fields are written in the order of their numbers, as Mesos's library does, so the
same message is always the same bytes. Fields that are not described are skipped when read.

By hand rather than with protobuf's library: the encoding is four kinds of values, an agent needs
nothing else of it, and the library would be the only dependency of the simulator beside click.

Source: https://protobuf.dev/programming-guides/encoding/ (proto2).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from agentsim.mesos.descriptions import MESSAGES, Enumeration, Field, Message

Values = dict[str, Any]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_MASK: Final = (1 << 64) - 1
_MAX_DEPTH: Final = 32


class Undecodable(ValueError):
    """Bytes that are no message of that kind."""


def encode(name: str, values: Mapping[str, Any]) -> bytes:
    """The bytes of a message.

    Args:
        name: its kind.
        values: its fields.

    Raises:
        KeyError: there is no such kind, or it has no such field, or a required field is absent.
    """
    return _encode(MESSAGES[name], values)


def decode(name: str, data: bytes) -> Values:
    """The message that bytes stand for; of repeated single fields the last one counts.

    Raises:
        Undecodable: they stand for none: cut, malformed, or without a required field.
    """
    return _decode(MESSAGES[name], memoryview(data), 0)


def _encode(message: Message, values: Mapping[str, Any]) -> bytes:
    unknown = values.keys() - message.by_name.keys()
    if unknown:
        raise KeyError(f"{message.name}.{unknown.pop()}")
    out = bytearray()
    for field in message.ordered:
        if field.name not in values:
            if field.label == "required":
                raise KeyError(f"{message.name}.{field.name}")
            continue
        value = values[field.name]
        for each in value if field.repeated else (value,):
            _append(out, field, each)
    return bytes(out)


def _append(out: bytearray, field: Field, value: Any) -> None:
    kind = field.type
    if isinstance(kind, Message):
        _append_bytes(out, field, _encode(kind, value))
    elif isinstance(kind, Enumeration):
        _append_number(out, field.number << 3 | _VARINT)
        _append_number(out, kind.numbers[value])
    elif kind == "string":
        _append_bytes(out, field, value.encode())
    elif kind == "bytes":
        _append_bytes(out, field, value)
    elif kind == "double":
        _append_number(out, field.number << 3 | _FIXED64)
        out += struct.pack("<d", value)
    else:
        _append_number(out, field.number << 3 | _VARINT)
        _append_number(out, int(value) & _MASK)


def _append_bytes(out: bytearray, field: Field, data: bytes) -> None:
    _append_number(out, field.number << 3 | _LENGTH)
    _append_number(out, len(data))
    out += data


def _append_number(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _decode(message: Message, data: memoryview, depth: int) -> Values:
    if depth > _MAX_DEPTH:
        raise Undecodable(f"{message.name}: nested too deeply")
    values: Values = {}
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            raw, position = _read_varint(data, position)
            piece = data[:0]
        else:
            raw = 0
            if wire_type == _LENGTH:
                size, position = _read_varint(data, position)
            elif wire_type in _SIZES:
                size = _SIZES[wire_type]
            else:
                raise Undecodable(f"{message.name}: wire type {wire_type}")
            piece = data[position : position + size]
            if len(piece) < size:
                raise Undecodable(f"{message.name}: cut")
            position += size
        field = message.by_number.get(number)
        if field is not None and _wire_type(field) == wire_type:
            value = _value(field, raw, piece, depth)
            if value is None:
                continue
            if field.repeated:
                values.setdefault(field.name, []).append(value)
            else:
                values[field.name] = value
        elif not number:
            raise Undecodable(f"{message.name}: field number 0")
    for field in message.fields:
        if field.label == "required" and field.name not in values:
            raise Undecodable(f"{message.name}: {field.name} is missing")
    return values


def _wire_type(field: Field) -> int:
    if isinstance(field.type, Message) or field.type in ("string", "bytes"):
        return _LENGTH
    return _FIXED64 if field.type == "double" else _VARINT


def _value(field: Field, raw: int, piece: memoryview, depth: int) -> Any:
    """The value of a field; None for a number that its enumeration does not have."""
    kind = field.type
    if isinstance(kind, Message):
        return _decode(kind, piece, depth + 1)
    if isinstance(kind, Enumeration):
        return kind.names.get(raw)
    if kind == "string":
        return bytes(piece).decode("utf-8", "replace")
    if kind == "bytes":
        return bytes(piece)
    if kind == "double":
        return struct.unpack("<d", piece)[0]
    if kind == "bool":
        return bool(raw)
    if kind == "uint64":
        return raw
    return raw - (1 << 64) if raw >> 63 else raw


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise Undecodable("a number is cut or too long")
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _MASK, position
        shift += 7
