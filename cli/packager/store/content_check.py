"""Whether a package's tree is what its record says, every file read: yes, or no without a reason.

Nearly every package is as it was added. This is the quick way to see so; what differs, and how, is
told by `tree_comparison`.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat

from packager.archive.directory_walk import PIECE_BYTES, READ
from packager.base.durable_files import ENTER
from packager.base.errors import DataError
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.manifest import PKGINFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from packager.package.manifest import Record

TOP_MODE = 0o755


def is_package_unchanged(record: Record, entries_text: bytes, top: int) -> bool:
    """Whether the directory `top` has what the record and these entries of it say, and no more."""
    if hashlib.sha256(entries_text).hexdigest() != record.tree:
        return False
    try:
        items = json.loads(entries_text)
        return (
            stat.S_IMODE(os.fstat(top).st_mode) == TOP_MODE
            and record.files == sum(item["type"] == FILE for item in items)
            and record.size == sum(item["size"] for item in items if item["type"] == FILE)
            and _has_all(top, {item["path"]: item for item in items}, record)
        )
    except (DataError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _has_all(top: int, expected: dict[str, dict[str, Any]], record: Record) -> bool:
    left = len(expected)
    todo = [("", os.dup(top))]
    try:
        while todo:
            prefix, fd = todo.pop()
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        path = prefix + entry.name
                        item = expected.get(path)
                        if item is None:
                            return False
                        left -= 1
                        kind = item["type"]
                        if kind == FILE:
                            # What is no file is not opened: that does something to a device.
                            if not entry.is_file(follow_symlinks=False):
                                return False
                            if not _is_file_unchanged(entry.name, fd, item):
                                return False
                        elif kind == LINK:
                            if os.readlink(entry.name, dir_fd=fd) != item["target"]:
                                return False
                        elif kind == DIRECTORY:
                            mode = entry.stat(follow_symlinks=False).st_mode
                            if mode != stat.S_IFDIR | int(item["mode"], 8):
                                return False
                            todo.append((f"{path}/", os.open(entry.name, ENTER, dir_fd=fd)))
                        else:
                            return False
            finally:
                os.close(fd)
    finally:
        for _, fd in todo:
            os.close(fd)
    return left == 0 and (PKGINFO not in expected or _is_pkginfo_of(record, top))


def _is_file_unchanged(name: str, parent: int, item: dict[str, Any]) -> bool:
    size: int = item["size"]
    fd = os.open(name, READ, dir_fd=parent)
    try:
        status = os.fstat(fd)
        if status.st_size != size or status.st_mode != stat.S_IFREG | int(item["mode"], 8):
            return False
        # One byte more than there should be: a small file is known to be whole by one read.
        piece = os.read(fd, min(size + 1, PIECE_BYTES))
        digest = hashlib.sha256(piece)
        had = len(piece)
        while piece and had < size:
            piece = os.read(fd, PIECE_BYTES)
            digest.update(piece)
            had += len(piece)
        return had == size and digest.hexdigest() == item["sha256"]
    finally:
        os.close(fd)


def _is_pkginfo_of(record: Record, top: int) -> bool:
    """Whether the record has what the package says of itself."""
    from packager.package.pkginfo import parse_pkginfo

    fd = os.open(PKGINFO, READ, dir_fd=top)
    with open(fd, "rb") as file:  # noqa: PTH123
        return parse_pkginfo(file.read())[0] == record.pkginfo
