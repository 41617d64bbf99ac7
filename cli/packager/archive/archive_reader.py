"""Archive bytes in, tar bytes out: none, gzip, xz and zstd, told apart by their first bytes.

zlib, lzma, zstd and hashlib release the interpreter's lock, so a compressed archive is hashed and
decompressed by a thread of its own while the caller's reads it, and hashes and writes what comes
out.
Nothing may follow the compressed data but more of the same kind (concatenated streams are part of
all three formats), or zeros where the format has them as padding.
"""

from __future__ import annotations

import hashlib

from packager.archive.compression import MAX_MAGIC_BYTES, recognised
from packager.archive.tar_reader import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from packager.archive.compression import Format
    from packager.archive.limits import Limits

COMPRESSED_PIECE_BYTES = 256 << 10  # bytes read from a compressed archive at once
PLAIN_PIECE_BYTES = 1 << 20  # bytes read from a plain one


class ArchiveReader:
    """The tar stream inside `source`, with the size and SHA-256 of the archive itself.

    `source.read(n)` may return fewer bytes than asked; b"" is the end. Whatever it raises passes
    through `read`, which raises Refused for data that does not decompress or grows beyond limits.
    """

    def __init__(self, source: BinaryIO, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._digest = hashlib.sha256()
        self._pieces: Iterator[bytes] | None = None
        self.archive_size = 0  # bytes of the archive read so far
        self.size = 0  # bytes of tar stream given out so far

    @property
    def sha256(self) -> str:
        """Of the archive, once it has been read to its end."""
        return self._digest.hexdigest()

    def read(self) -> bytes:
        """The next bytes of the tar stream, b"" at its end."""
        if self._pieces is None:
            self._pieces = self._open()
        piece = next(self._pieces, b"")
        self.size += len(piece)
        if self.size > self._limits.total:
            raise Refused(f"the archive unpacks to more than {self._limits.total} bytes")
        if self.size > self._limits.free and self.size > self._limits.ratio * self.archive_size:
            raise Refused(
                f"a compression bomb: {self.archive_size} bytes unpack to {self.size} and more, "
                f"over {self._limits.ratio} times as much"
            )
        return piece

    def close(self) -> None:
        """Stop decompressing. A reader that was read to its end needs no closing."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()

    def _raw(self, size: int) -> bytes:
        piece = self._source.read(size)
        self.archive_size += len(piece)
        return piece

    def _open(self) -> Iterator[bytes]:
        head = b""
        while len(head) < MAX_MAGIC_BYTES:
            piece = self._raw(COMPRESSED_PIECE_BYTES)
            if not piece:
                break
            head += piece
        if not head:
            raise Refused("the archive is empty")
        compressed = recognised(head, self._limits.memory)
        if compressed is not None:
            return self._overlapped(head, compressed)
        return self._plain(head)

    def _plain(self, head: bytes) -> Iterator[bytes]:
        piece = head
        while piece:
            self._digest.update(piece)
            yield piece
            piece = self._raw(PLAIN_PIECE_BYTES)

    def _overlapped(self, head: bytes, compressed: Format) -> Iterator[bytes]:
        from packager.archive.decompression_thread import decompressed

        return decompressed(
            head,
            lambda: self._raw(COMPRESSED_PIECE_BYTES),
            compressed,
            self._digest.update,
            self._limits.streams,
        )
