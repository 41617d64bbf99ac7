"""Tar headers that are a function of what they describe: ustar, and PAX where that is too small.

Owner 0:0 without names, one time for all members. (POSIX.1-2017, pax, "ustar Interchange Format".)
"""

from __future__ import annotations

from packager.archive.tar_reader import BLOCK_BYTES, MAX_OCTAL_SIZE
from packager.package.entry_kinds import DIRECTORY, FILE

FLAGS = {FILE: b"0", DIRECTORY: b"5"}  # anything else is a link
END_OF_ARCHIVE = bytes(2 * BLOCK_BYTES)


def header(path: str, kind: str, *, mode: int, size: int, target: str, mtime: int) -> bytes:
    """The header blocks of one member, extended header included. `mtime` is in seconds."""
    name = path.encode() + (b"/" if kind == DIRECTORY else b"")
    link = target.encode()
    records = b""
    if len(name) > 100:
        records += record(b"path", name)
    if len(link) > 100:
        records += record(b"linkpath", link)
    if size >= MAX_OCTAL_SIZE:
        records += record(b"size", b"%d" % size)
        size = 0
    extended = b""
    if records:
        extended = block(b"PaxHeader", b"x", 0o644, len(records), b"", mtime)
        extended += records + padding(len(records))
    return extended + block(name[:100], FLAGS.get(kind, b"2"), mode, size, link[:100], mtime)


def padding(size: int) -> bytes:
    """The zeros between `size` bytes of data and the next header."""
    return bytes(-size % BLOCK_BYTES)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record; its length counts the digits of the length too."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def block(name: bytes, flag: bytes, mode: int, size: int, link: bytes, mtime: int) -> bytes:
    """One ustar header block."""
    fields = [
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"0000000\0" * 2,  # owner and group
        b"%011o\0" % size,
        b"%011o\0" % mtime,
        b" " * 8,  # the checksum's place while it is computed
        flag,
        link.ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),  # names of owner and group
        b"0000000\0" * 2,  # device numbers
        bytes(155 + 12),
    ]
    content = b"".join(fields)
    return content[:148] + b"%06o\0 " % sum(content) + content[156:]
