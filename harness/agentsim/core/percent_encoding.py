"""Percent escapes (RFC 3986, 2.1), decoded as libprocess does (`http::decode`)."""

from __future__ import annotations

from binascii import Error as HexError
from binascii import unhexlify


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
