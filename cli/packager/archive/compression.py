"""The compressed formats: how each is recognised, read and written.

Every stream that `compressor` writes is a function of its input alone: no time stamp, no file
name, one thread.
"""

from __future__ import annotations

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Protocol

    class Decompressor(Protocol):
        """The interface that bz2, lzma and zstd share."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    class Compressor(Protocol):
        def compress(self, data: bytes) -> bytes: ...
        def flush(self) -> bytes: ...


SUFFIXES = {"none": ".tar", "gzip": ".tar.gz", "xz": ".tar.xz", "zstd": ".tar.zst"}
NAMED_SUFFIXES = (*SUFFIXES.values(), ".tgz", ".txz", ".tzst", ".tar.zstd")
MAX_MAGIC_BYTES = 6


class GzipDecompressor:
    """zlib's decompressor of one gzip member, in the shape that lzma's and zstd's have."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._full = False  # the last output was as long as allowed: there may be more inside

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not (self._zlib.eof or self._full or self._zlib.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        output = self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))
        self._full = len(output) == max_length
        return output


class Format:
    """How a compressed format is read. make: a decompressor of one stream, of which several may
    follow each other, and which takes so many bytes of `memory` for its window at most; padding:
    between streams and at the end zero bytes may stand, in multiples of so many, or none (0)."""

    __slots__ = ("make", "memory", "padding")

    def __init__(self, make: Callable[[], Decompressor], padding: int, memory: int) -> None:
        self.make = make
        self.padding = padding
        self.memory = memory


def recognised(head: bytes, memory: int) -> Format | None:
    """The format of an archive that begins with `head`; None if it is not compressed.

    `memory` bounds the window in bytes, so that a header can't ask for gigabytes.
    """
    if head.startswith(b"\x1f\x8b"):
        return Format(GzipDecompressor, 1, memory)  # as gzip has it: tapes and blocks end in zeros
    if head.startswith(b"\xfd7zXZ\x00"):
        import lzma

        def xz() -> Decompressor:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory)

        return Format(xz, 4, memory)  # The .xz File Format, 2.2 (Stream Padding)
    # A frame, or one to be skipped (RFC 8878, 3.1.2), with which pzstd begins.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5):
        zstd = _zstd()
        window = {zstd.DecompressionParameter.window_log_max: memory.bit_length() - 1}
        return Format(lambda: zstd.ZstdDecompressor(options=window), 0, memory)
    return None


def compressor(compression: str) -> Compressor | None:
    """What writes the format; None for "none". `compression` is a key of SUFFIXES."""
    if compression == "gzip":
        return zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    if compression == "xz":
        import lzma

        return lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC64, preset=6)
    if compression == "zstd":
        zstd = _zstd()
        options = {
            zstd.CompressionParameter.compression_level: 19,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        return zstd.ZstdCompressor(options=options)  # type: ignore[no-any-return]
    return None


def _zstd() -> ModuleType:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
