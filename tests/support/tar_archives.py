"""Archives made byte by byte, so that they can lie; and what the disk looks like afterwards."""

from __future__ import annotations

import gzip
import lzma
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

BLOCK = 512
END = bytes(2 * BLOCK)


def header(
    name: bytes | str,
    *,
    kind: bytes = b"0",
    size: int = 0,
    mode: int = 0o644,
    link: bytes | str = b"",
    size_field: bytes | None = None,
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """One header block, as wrong as the caller wants it."""
    name = name.encode() if isinstance(name, str) else name
    link = link.encode() if isinstance(link, str) else link
    block = b"".join(
        [
            name[:100].ljust(100, b"\0"),
            b"%07o\0" % mode,
            b"0000000\0" * 2,
            size_field or b"%011o\0" % size,
            b"%011o\0" % 0,
            b" " * 8,
            kind,
            link[:100].ljust(100, b"\0"),
            magic,
            bytes(64),
            b"0000000\0" * 2,
            prefix.ljust(155, b"\0"),
            bytes(12),
        ]
    )
    return block[:148] + (checksum or b"%06o\0 " % sum(block)) + block[156:]


def member(
    name: bytes | str, content: bytes = b"", *, mode: int = 0o644, kind: bytes = b"0"
) -> bytes:
    """A file with its data."""
    padded = content + bytes(-len(content) % BLOCK)
    return header(name, size=len(content), mode=mode, kind=kind) + padded


def directory(name: bytes | str, mode: int = 0o755) -> bytes:
    return header(name, kind=b"5", mode=mode)


def symlink(name: bytes | str, target: bytes | str) -> bytes:
    return header(name, kind=b"2", link=target, mode=0o777)


def hard_link(name: bytes | str, target: bytes | str) -> bytes:
    return header(name, kind=b"1", link=target)


def pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header."""
    return member(b"PaxHeader", b"".join(pax_record(k, v) for k, v in records.items()), kind=kind)


def pax_record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def zstd(content: bytes) -> bytes:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd as module
    else:
        from backports import zstd as module
    return bytes(module.compress(content))


COMPRESSORS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}

GOOD = (
    directory("./")
    + member("./pkginfo.json", b'{"requires": []}')
    + directory("./bin")
    + member("./bin/hello", b"#!/bin/sh\necho hello\n", mode=0o755)
    + symlink("./bin/hi", "hello")
    + member("./lib/deep/er/data", b"data" * 1000)
    + END
)


def snapshot(top: Path) -> dict[str, tuple[object, ...]]:
    """Every path below `top` with its type, mode and content."""
    found: dict[str, tuple[object, ...]] = {}
    for place, directories, files in os.walk(top):
        for name in directories + files:
            path = Path(place, name)
            status = path.lstat()
            content: object = None
            if stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                content = str(path.readlink())
            found[str(path.relative_to(top))] = (
                stat.S_IFMT(status.st_mode),
                stat.S_IMODE(status.st_mode),
                content,
            )
    return found
