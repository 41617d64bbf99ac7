"""Query strings, decoded exactly as libprocess does (src/http.cpp, `query::decode`)."""

from __future__ import annotations

from dataclasses import dataclass

from agentsim.core.percent_encoding import unescape


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
