"""Query strings, decoded exactly as libprocess does (src/http.cpp, `query::decode`)."""

from __future__ import annotations

from binascii import Error as HexError
from binascii import unhexlify
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadQuery:
    """A query with a malformed escape: libprocess closes the connection without an answer."""


def decode(query: bytes) -> dict[bytes, bytes] | BadQuery:
    """Keys and values of what stands after `?`.

    `;` separates as `&` does, empty pieces are dropped, only the first `=` of a piece counts, a key
    without one has an empty value, and of repeated keys the last one stays.
    """
    result: dict[bytes, bytes] = {}
    if not query:
        return result
    for piece in query.replace(b";", b"&").split(b"&"):
        if piece:
            key, _, value = piece.partition(b"=")
            decoded_key = unescape(key.replace(b"+", b" "))
            decoded_value = unescape(value.replace(b"+", b" "))
            if decoded_key is None or decoded_value is None:
                return BadQuery()
            result[decoded_key] = decoded_value
    return result


def unescape(text: bytes) -> bytes | None:
    """`text` with its percent escapes decoded; None if one is not `%` and two hex digits."""
    if b"%" not in text:
        return text
    first, *rest = text.split(b"%")
    parts = [first]
    for part in rest:
        try:
            parts.append(unhexlify(part[:2]))
        except HexError:
            return None
        if len(part) < 2:
            return None
        parts.append(part[2:])
    return b"".join(parts)
