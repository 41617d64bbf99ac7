"""Text to bytes, bytes to descriptors. Every start imports this, so it imports nothing but `os`."""

from __future__ import annotations

import os


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; write(2) may take less at once, and nothing for now of a descriptor
    that whoever shares it has made non-blocking: that is waited for. Raises OSError."""
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])


def encode(text: str) -> bytes:
    """`text` as UTF-8; bytes of a file name that are none become U+FFFD, since JSON is Unicode."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def printable(text: str) -> str:
    """`text` without anything a terminal would act on: control characters become escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
