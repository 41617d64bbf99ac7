"""How the core writes: JSON, times, names from the network, the end of stderr.

Every implementation of the ABI gives the same bytes, so nothing is left to a JSON library: no
spaces, members in the order given, UTF-8 as it is, escapes only where JSON demands them.
"""

from __future__ import annotations

import re
from typing import Final

STDERR_BYTES: Final = 4096
QUOTED_BYTES: Final = 64

_ESCAPES: Final = {code: f"\\u{code:04x}" for code in range(0x20)} | {
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0C: "\\f",
    0x0D: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}
# What "surrogateescape" makes of a byte that is not UTF-8.
_INVALID: Final = re.compile("[\udc80-\udcff]")
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def json_string(text: str) -> str:
    """`text` as a JSON string; it must be encodable as UTF-8."""
    return f'"{text.translate(_ESCAPES)}"'


def seconds_text(seconds: float) -> str:
    """Seconds with three decimals, as JSON and ABI_DEADLINE have them."""
    return f"{seconds:.3f}"


def short_seconds(seconds: float) -> str:
    """Seconds for a sentence: at most three decimals, no needless zeros."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def quote(name: bytes) -> str:
    """A name from the network for a sentence: its first 64 bytes, percent-encoded.

    RFC 3986's unreserved characters stand for themselves; a longer name ends in `…`.
    """
    kept = "".join(
        chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in name[:QUOTED_BYTES]
    )
    return f'"{kept}…"' if len(name) > QUOTED_BYTES else f'"{kept}"'


def stderr_tail(stderr: bytes) -> str:
    """The end of what a command wrote to stderr: at most 4096 bytes of UTF-8.

    Of more than 4096 bytes the last 4096 are taken, without the continuation bytes they may start
    with. Every byte that belongs to no well-formed sequence (RFC 3629) becomes one U+FFFD; if that
    makes it longer than 4096 bytes, whole characters go from the front. A caller needs to keep the
    last 4097 bytes.
    """
    if not stderr:
        return ""
    text = _last(stderr).decode("utf-8", "surrogateescape")
    if _INVALID.search(text):
        text = _last(_INVALID.sub(_REPLACEMENT, text).encode("utf-8")).decode("utf-8")
    return text


def _last(text: bytes) -> bytes:
    if len(text) <= STDERR_BYTES:
        return text
    start = len(text) - STDERR_BYTES
    end = start + 3
    while start < end and text[start] & 0xC0 == 0x80:
        start += 1
    return text[start:]
