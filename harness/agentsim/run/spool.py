"""Bytes on their way: a little in memory, the rest in unnamed files of one directory.

Whatever a client sends or a command prints, memory use stays bounded: past `MAX_BUFFER_BYTES` a
buffer moves to a file that has no name (it is gone with its last descriptor, so a killed host
leaves nothing behind).  All files together stay within the spool's limit.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from agentsim.core.answer import SPOOL_EXHAUSTED, SPOOL_MISSING

#: Bytes that a buffer keeps in memory before it moves to a file.
MAX_BUFFER_BYTES = 64 * 1024


class SpoolFull(Exception):
    """The spool's limit or its file system is exhausted, or it can't be used; the text says why."""


class Spool:
    """A directory for unnamed files, with a limit on their total size.

    Args:
        directory: where the files are made; must exist and be writable.
        limit: bytes in all files together.

    Attributes:
        used: bytes in all files together, now.
        buffered: bytes in memory of all send buffers together, now (send_buffer.py).
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self.directory = directory
        self.limit = limit
        self.used = 0
        self.buffered = 0

    def buffer(self) -> Buffer:
        """A new, empty buffer."""
        return Buffer(self)

    def file(self) -> BinaryIO:
        """A new, empty file.

        Raises:
            SpoolFull: there is no room for one.
        """
        try:
            return tempfile.TemporaryFile(buffering=0, dir=self.directory)
        except FileNotFoundError:
            raise SpoolFull(SPOOL_MISSING) from None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise SpoolFull(SPOOL_EXHAUSTED) from None
            raise SpoolFull(f"{self.directory}: {error.strerror}") from None

    def write(self, file: BinaryIO, data: bytes) -> None:
        """Write to one of its files.

        Raises:
            SpoolFull: the file is as it was before.
        """
        if self.used + len(data) > self.limit:
            raise SpoolFull(f"the spool's limit of {self.limit} bytes is reached")
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(file.fileno(), view) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise
            end = os.lseek(file.fileno(), 0, os.SEEK_CUR) - (len(data) - len(view))
            os.ftruncate(file.fileno(), end)
            os.lseek(file.fileno(), end, os.SEEK_SET)
            raise SpoolFull(f"{self.directory}: {error.strerror}") from None
        self.used += len(data)

    def close(self, file: BinaryIO, size: int) -> None:
        """Close one of its files, which gives back the space of what was written to it; a command
        that had it as its standard input may have made it shorter, or longer."""
        self.used -= size
        file.close()


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
            if self.size + len(data) <= MAX_BUFFER_BYTES:
                self._parts.append(data)
                self.size += len(data)
                return
            self._move_to_file()
        assert self._file is not None
        self._spool.write(self._file, data)
        self.size += len(data)

    def _move_to_file(self) -> None:
        self._file = self._spool.file()
        self._spool.write(self._file, b"".join(self._parts))
        self._parts = []

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
            self._spool.close(self._file, self.size)
            self._file = None
