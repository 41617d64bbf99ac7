"""Files of unknown size, read with a limit."""

from __future__ import annotations

import os

PIECE_BYTES = 1 << 20


def read_up_to(descriptor: int, limit: int) -> bytes:
    """Everything that can be read, but no more than `limit` bytes and one: whether it is too large
    is then known. Raises OSError."""
    content = bytearray()
    while len(content) <= limit:
        piece = os.read(descriptor, min(PIECE_BYTES, limit + 1 - len(content)))
        if not piece:
            break
        content += piece
    return bytes(content)
