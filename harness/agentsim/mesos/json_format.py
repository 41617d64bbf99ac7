"""JSON becomes a message, with the leniency and the words of Mesos.

What is not described is ignored, as Mesos ignores unknown members, and members are looked at in
alphabetical order, so that of two mistakes the same one is told.

Source: stout `protobuf.hpp` (`internal::Parser`, `Parse`).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from agentsim.mesos.descriptions import MESSAGES, Enumeration, Field, Message
from agentsim.mesos.wire_format import Values

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_LIMITS: Final = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint64": (0, (1 << 64) - 1),
}
_KINDS: Final = ((dict, "object"), (list, "array"), (bool, "boolean"), (str, "string"))


class Inconvertible(ValueError):
    """JSON that is no such message; the text is Mesos's."""


def from_json(name: str, document: Any) -> Values:
    """The message that a JSON document stands for.

    Raises:
        Inconvertible: it stands for none.
    """
    if not isinstance(document, dict):
        raise Inconvertible("Expecting a JSON object")
    message = MESSAGES[name]
    values = _object(message, document)
    missing = list(_missing(message, values, ""))
    if missing:
        raise Inconvertible(f"Missing required fields: {', '.join(missing)}")
    return values


def _object(message: Message, document: dict[str, Any]) -> Values:
    values: Values = {}
    for name in sorted(document):
        field = message.by_name.get(name)
        if field is not None:
            _set(values, field, document[name])
    return values


def _set(values: Values, field: Field, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, list):
        if not field.repeated:
            raise _unexpected("array", field)
        for each in value:
            _set(values, field, each)
        return
    converted = _convert(field, value)
    if converted is None:
        return
    if field.repeated:
        values.setdefault(field.name, []).append(converted)
    else:
        values[field.name] = converted


def _convert(field: Field, value: Any) -> Any:
    kind = field.type
    found = next((name for type_, name in _KINDS if isinstance(value, type_)), "number")
    if isinstance(kind, Message):
        if found != "object":
            raise _unexpected(found, field)
        return _object(kind, value)
    if found == "object" or (isinstance(kind, Enumeration) and found != "string"):
        raise _unexpected(found, field)
    if isinstance(kind, Enumeration):
        # A name that it does not have counts as absent, as in protobuf.
        return value if value in kind.numbers else None
    if found == "string":
        return _from_string(field, value)
    if (kind == "bool") != (found == "boolean") or kind in ("string", "bytes"):
        raise _unexpected(found, field)
    return value if kind == "bool" else _number(field, value)


def _from_string(field: Field, text: str) -> Any:
    if field.type in ("string", "bytes"):
        return text
    if field.type == "bool":
        if text in ("true", "false"):
            return text == "true"
        raise Inconvertible(f"Failed to parse '{text}' as a JSON boolean for field '{field.name}'")
    if _NUMBER.fullmatch(text.strip()) is None:
        raise Inconvertible(f"Failed to parse '{text}' as a JSON number for field '{field.name}'")
    return _number(field, json.loads(text))


def _number(field: Field, value: float) -> Any:
    if field.type == "double":
        return float(value)
    low, high = _LIMITS[str(field.type)]
    return max(low, min(high, int(value)))


def _missing(message: Message, values: Values, place: str) -> Any:
    for field in message.fields:
        name = f"{place}{field.name}"
        if field.name not in values:
            if field.label == "required":
                yield name
        elif isinstance(field.type, Message):
            if field.repeated:
                for index, each in enumerate(values[field.name]):
                    yield from _missing(field.type, each, f"{name}[{index}].")
            else:
                yield from _missing(field.type, values[field.name], f"{name}.")


def _unexpected(found: str, field: Field) -> Inconvertible:
    return Inconvertible(f"Not expecting a JSON {found} for field '{field.name}'")
