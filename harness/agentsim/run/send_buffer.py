"""What a client has not taken yet: read in the order in which it was written, while more comes.

However many clients do not read, memory stays bounded: all send buffers of a spool together keep
`MAX_BYTES_IN_MEMORY` bytes in it, what is beyond that in unnamed files.
"""

from __future__ import annotations

import os
from collections import deque
from typing import BinaryIO, Final

from agentsim.run.spool import Spool, SpoolFull

#: Bytes that all send buffers of a spool keep in memory.
MAX_BYTES_IN_MEMORY: Final = 8 << 20
#: Bytes of one piece at the most, unless one was written that is larger.
_PIECE_BYTES: Final = 64 * 1024


class SendBuffer:
    """Bytes that wait.

    Args:
        spool: where they wait if there are many.

    Attributes:
        size: how many wait.
        refusal: why the spool had no room, empty as long as it had. What it did not take waits in
            memory: whoever writes much more should not.
    """

    __slots__ = ("_end", "_file", "_parts", "_ranges", "_spool", "refusal", "size")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._parts: deque[bytearray | range] = deque()  # bytes, or where in the file they are
        self._file: BinaryIO | None = None
        self._end = 0  # of the file
        self._ranges = 0  # of the parts, how many are in the file
        self.size = 0
        self.refusal = ""

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return self.size > 0

    def write(self, data: bytes) -> None:
        """Append."""
        self.size += len(data)
        if self._spool.buffered + len(data) > MAX_BYTES_IN_MEMORY:
            try:
                self._write_file(data)
                return
            except SpoolFull as full:
                self.refusal = str(full)
        self._spool.buffered += len(data)
        last = self._parts[-1] if self._parts else None
        if isinstance(last, bytearray) and len(last) + len(data) <= _PIECE_BYTES:
            last += data
        else:
            self._parts.append(bytearray(data))

    def _write_file(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._spool.file()
        self._spool.write(self._file, data)
        begin, self._end = self._end, self._end + len(data)
        last = self._parts[-1] if self._parts else None
        if isinstance(last, range):  # the last of the file is the last of all
            self._parts[-1] = range(last.start, self._end)
        else:
            self._parts.append(range(begin, self._end))
            self._ranges += 1

    def read(self) -> bytes | bytearray:
        """Take the next of them, some 64 KiB.

        Raises:
            OSError: the file can't be read.
        """
        part = self._parts.popleft()
        if isinstance(part, bytearray):
            self._spool.buffered -= len(part)
            self.size -= len(part)
            return part
        assert self._file is not None
        data = os.pread(self._file.fileno(), min(len(part), _PIECE_BYTES), part.start)
        self.size -= len(data)
        if len(data) < len(part):
            self._parts.appendleft(part[len(data) :])
        else:
            self._ranges -= 1
            if not self._ranges:
                self._close_file()
        return data

    def _close_file(self) -> None:
        if self._file is not None:
            self._spool.close(self._file, self._end)
            self._file, self._end = None, 0

    def close(self) -> None:
        """Forget all of it; closing twice is harmless."""
        self._spool.buffered -= sum(
            len(part) for part in self._parts if isinstance(part, bytearray)
        )
        self._parts.clear()
        self._ranges = self.size = 0
        self._close_file()
