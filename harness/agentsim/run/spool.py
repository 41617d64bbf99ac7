"""Bytes on their way: a little in memory, the rest in unnamed files of one directory.

Whatever a client sends or a command prints, memory use stays bounded: past `MEMORY` bytes a buffer
moves to a file that has no name (it is gone with its last descriptor, so a killed host leaves
nothing behind).  All files together stay within the spool's limit.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

#: Bytes that a buffer keeps in memory before it moves to a file.
MEMORY = 64 * 1024


class SpoolFull(Exception):
    """The spool's limit or its file system is exhausted."""


class Spool:
    """A directory for unnamed files, with a limit on their total size.

    Args:
        directory: where the files are made; must exist and be writable.
        limit: bytes in all files together.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self.directory = directory
        self.limit = limit
        self.used = 0

    def buffer(self) -> Buffer:
        """A new, empty buffer."""
        return Buffer(self)


class Buffer:
    """Bytes that are written once, then read once from the start."""

    __slots__ = ("_file", "_parts", "_spool", "size")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._parts: list[bytes] = []
        self._file: BinaryIO | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            SpoolFull: nothing of `data` is kept.
        """
        if self._file is None:
            if self.size + len(data) <= MEMORY:
                self._parts.append(data)
                self.size += len(data)
                return
            self._move_to_file()
        self._write_file(data)
        self.size += len(data)

    def _move_to_file(self) -> None:
        kept = b"".join(self._parts)
        try:
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._spool.directory)  # noqa: SIM115
        except OSError as error:
            raise SpoolFull(f"{self._spool.directory}: {error.strerror}") from None
        self._write_file(kept)
        self._parts = []

    def _write_file(self, data: bytes) -> None:
        assert self._file is not None
        spool = self._spool
        if spool.used + len(data) > spool.limit:
            raise SpoolFull(f"the spool's limit of {spool.limit} bytes is reached")
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._file.fileno(), view)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                    raise SpoolFull(f"{spool.directory}: {error.strerror}") from None
                raise
            spool.used += written
            view = view[written:]

    @property
    def file(self) -> BinaryIO | None:
        """The file, positioned at its start, if the bytes are in one."""
        if self._file is not None:
            self._file.seek(0)
        return self._file

    def read(self) -> bytes:
        """The bytes of a buffer that is still in memory."""
        assert self._file is None
        return b"".join(self._parts)

    def close(self) -> None:
        """Give the space back; closing twice is harmless."""
        self._parts = []
        if self._file is not None:
            self._spool.used -= os.fstat(self._file.fileno()).st_size
            self._file.close()
            self._file = None
