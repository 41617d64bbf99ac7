"""The bytes of a file that is given as a route table.

Nothing waits here, and nothing reads for ever: what is no regular file might never end, or never
begin, and of one that is too large no more is read than tells so (ABI-TABLE-7).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agentsim.core.strict_json import MAX_BYTES


class UnreadableTable(Exception):
    """The file can't be read; the text says which and why."""


def read_table_file(path: Path) -> bytes:
    """Read a route table's file.

    Returns:
        What is in it, or its first bytes, one more than a table may have.

    Raises:
        UnreadableTable: it can't be read, or is not a regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableTable(f"{path}: it is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnreadableTable(f"{path}: can't be read: {error.strerror}") from None
