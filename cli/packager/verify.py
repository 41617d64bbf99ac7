"""Is an installed package still what was added? Compares a tree with its record."""

from __future__ import annotations

import os

from packager.errors import DataError
from packager.manifest import PKGINFO, Entry, Manifest, decode_entries
from packager.pkginfo import parse_pkginfo
from packager.tar import DIRECTORY, FILE, LINK
from packager.walk import Found, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.manifest import Record


class Difference:
    """One thing that is not as it was added; `path` is "" for the record and the tree's top."""

    __slots__ = ("path", "reason")

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason


def differences(record: Record, entries_text: bytes, top: int) -> Iterator[Difference]:
    """What differs between the directory `top` and its record, in the order it is found.

    Content, mode, missing, extra, link target and type of every path are compared; whoever may
    write the tree may do so without being seen only while this runs. Raises OSError.
    """
    try:
        entries = decode_entries(entries_text, "the record")
    except DataError as error:
        yield Difference("", str(error))
        return
    manifest = Manifest(entries)
    if (manifest.tree, manifest.files, manifest.size) != (record.tree, record.files, record.size):
        yield Difference("", "the record's totals are not those of its entries")
    if os.fstat(top).st_mode & 0o7777 != 0o755:
        yield Difference("", f"the mode is {os.fstat(top).st_mode & 0o7777:04o}, it was 0755")
    expected = {entry.path: entry for entry in entries}
    for found in walk(top):
        path = os.fsencode(found.path).decode(errors="backslashreplace")
        entry = expected.pop(found.path, None)
        try:
            reason = "it was not added" if entry is None else _compare(entry, found)
        except FileNotFoundError:
            reason = "it vanished while it was read"
        if reason:
            yield Difference(path, reason)
        elif found.path == PKGINFO and found.kind == FILE:
            with open(PKGINFO, "rb", opener=found.open) as file:
                if parse_pkginfo(file.read())[0] != record.pkginfo:
                    yield Difference(PKGINFO, "the record has another pkginfo")
    for path in expected:
        yield Difference(path, "it is missing")


def _compare(entry: Entry, found: Found) -> str | None:
    if found.kind != entry.kind:
        return f"a {found.kind}, it was a {entry.kind}"
    if found.kind != LINK and found.mode != entry.mode:
        return f"the mode is {found.mode:04o}, it was {entry.mode:04o}"
    if found.kind == DIRECTORY:
        return None
    if found.kind == FILE and found.status.st_size != entry.size:
        return f"{found.status.st_size} bytes, it had {entry.size}"
    now = found.entry(found.mode)
    if now.target != entry.target:
        return f"the link's target is {now.target!r}, it was {entry.target!r}"
    if now.sha256 != entry.sha256:
        return "the content has changed"
    return None
