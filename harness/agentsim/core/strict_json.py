"""A route table's bytes -> JSON values, stricter than JSON parsers are by themselves.

RFC 8259 leaves open what duplicate names, lone surrogates, huge numbers and deep nesting mean, and
parsers differ; what they could read differently is refused, so that two hosts always see one table.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from agentsim.core.table_errors import member
from agentsim.core.table_reader import TableReader

MAX_BYTES = 1 << 20
MAX_DEPTH = 32

# A string (closed or not), or one bracket. Possessive, so that no input takes more than one pass.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class _Members(list[tuple[str, object]]):
    """An object as written: its members in order, repeated names included."""


class _RefusedError(ValueError):
    pass


def read(text: bytes, reader: TableReader) -> object:
    """The JSON value in `text`: dict, list, str, int, float, bool or None.

    An integer is an int if it is written without fraction and exponent and fits in 64 bits with
    sign; every other number is a finite float.

    Raises TableError (through `reader`).
    """
    repeated: dict[str, None] = {}  # an ordered set
    try:
        value = _plain(_parse(_decode(text, reader), reader), "", repeated)
    except _RefusedError as error:
        _refuse(reader, "json", str(error))
    for place in repeated:
        reader.add(place, "duplicate-field", "this field is there twice; keep one of them")
    reader.raise_if_any()
    return value


def _refuse(reader: TableReader, code: str, reason: str) -> NoReturn:
    reader.add("", code, reason)
    reader.raise_if_any()
    raise AssertionError("unreachable")


def _decode(text: bytes, reader: TableReader) -> str:
    if len(text) > MAX_BYTES:
        _refuse(reader, "too-large", f"a table has at most {MAX_BYTES} bytes")
    if text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        _refuse(reader, "encoding", "the file starts with a byte order mark; save it without one")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        _refuse(
            reader,
            "encoding",
            f"line {line}: byte {error.start} is not UTF-8; save the file as UTF-8",
        )


def _parse(text: str, reader: TableReader) -> object:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, token.start()) + 1
                _refuse(reader, "nesting", f"line {line}: nested deeper than {MAX_DEPTH} levels")
        elif token[0] in "]}":
            depth -= 1
    try:
        return json.loads(
            text,
            object_pairs_hook=_Members,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        _refuse(
            reader,
            "json",
            f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}",
        )


def _integer(digits: str) -> int | float:
    if len(digits) <= 20 and -(2**63) <= (value := int(digits)) < 2**63:
        return value
    return _finite(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _RefusedError(f"the number {digits[:20]}… is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"not JSON: {name}")


def _plain(value: object, place: str, repeated: dict[str, None]) -> object:
    """Turns members into dicts; adds the places of repeated names to `repeated`."""
    if isinstance(value, str):
        _check_unicode(value, place)
    elif isinstance(value, _Members):
        result: dict[str, object] = {}
        for key, item in value:
            _check_unicode(key, place)
            inner = member(place, key)
            if key in result:
                repeated[inner] = None
            result[key] = _plain(item, inner, repeated)
        return result
    elif isinstance(value, list):
        return [_plain(item, member(place, index), repeated) for index, item in enumerate(value)]
    return value


def _check_unicode(text: str, place: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _RefusedError(f"in {place or '/'}: half of a surrogate pair is no character")
