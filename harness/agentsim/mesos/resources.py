"""What an agent offers and is marked with, in the words of `mesos-agent`'s options.

    --resources   cpus:2;mem:1024;disk:4096;ports:[31000-32000]
    --attributes  role:web;rack:r1;weight:2.5;slots:[1-4]

Source: Mesos docs/attributes-resources.md, `values.cpp`, `attributes.cpp`.
"""

from __future__ import annotations

import re
from typing import Any, Final

Described = list[dict[str, Any]]

_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_RANGES = re.compile(r"\[\s*(\d+\s*-\s*\d+\s*(?:,\s*\d+\s*-\s*\d+\s*)*)\]")
_NAME = re.compile(r"[^\s:;,\[\]{}]+")
_MAX: Final = (1 << 64) - 1


class BadDescription(ValueError):
    """Resources or attributes that an agent would not start with; the text says why."""


def parse_resources(text: str) -> Described:
    """The resources that a text names, for the role `*`.

    Raises:
        BadDescription: it is none.
    """
    found = []
    for name, value in _entries(text, "resource", "cpus:2"):
        if name.find("(") >= 0:
            raise BadDescription(f"resource {name!r}: reservations are not simulated")
        parsed = _value(value)
        if parsed is None:
            raise BadDescription(
                f"resource {name}: expected a number or ranges such as [31000-32000], not {value!r}"
            )
        found.append({"name": name, **parsed, "role": "*"})
    return found


def parse_attributes(text: str) -> Described:
    """The attributes that a text names; what is neither number nor ranges is text.

    Raises:
        BadDescription: it is none, or has a set, with which an agent does not start.
    """
    found = []
    for name, value in _entries(text, "attribute", "role:web"):
        if value.startswith("{"):
            raise BadDescription(f"attribute {name}: an agent does not start with a set")
        parsed = _value(value) or {"type": "TEXT", "text": {"value": value}}
        found.append({"name": name, **parsed})
    return found


def _entries(text: str, what: str, example: str) -> list[tuple[str, str]]:
    entries = []
    for entry in filter(None, (each.strip() for each in text.split(";"))):
        name, colon, value = (part.strip() for part in entry.partition(":"))
        if not colon or not value or _NAME.fullmatch(name) is None:
            raise BadDescription(f"{what} {entry!r}: expected NAME:VALUE, such as {example}")
        entries.append((name, value))
    return entries


def _value(text: str) -> dict[str, Any] | None:
    if _NUMBER.fullmatch(text):
        return {"type": "SCALAR", "scalar": {"value": float(text)}}
    match = _RANGES.fullmatch(text)
    if match is None:
        return None
    ranges = []
    for each in match[1].split(","):
        begin, end = (int(part) for part in each.split("-"))
        if begin > end or end > _MAX:
            raise BadDescription(f"{text!r}: a range goes from low to high")
        ranges.append({"begin": begin, "end": end})
    return {"type": "RANGES", "ranges": {"range": ranges}}
