"""Is an installed package still what was added? Compares a tree with its record."""

from __future__ import annotations

import os

from packager.archive.directory_walk import Found, walk
from packager.base.errors import DataError
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.manifest import PKGINFO, Entry, Manifest, decode_entries
from packager.package.pkginfo import parse_pkginfo
from packager.package.python_bytecode import SOURCE_SUFFIX, is_bytecode, source_directories
from packager.store.difference import BYTES_IT_HAD, FOREIGN, MISSING, Difference, unreadable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.package.manifest import Record


def differences(
    record: Record,
    entries_text: bytes,
    top: int,
    part: int = 0,
    parts: int = 1,
    *,
    since: int | None = None,
) -> Iterator[Difference]:
    """What differs between the directory `top` and its record, in the order it is found.

    Content, mode, missing, extra, link target and type of every path are compared; whoever may
    write the tree may do so without being seen only while this runs. Of `parts` parts together
    each reads its share of the files, and `part` 0 looks at all the rest. since: believe the
    content of files of the right size that have not been touched since (their ctime, ns since
    1970); only who sets the clock back can make that wrong. What can't be read is a difference of
    its own, and ends nothing. Raises OSError.
    """
    try:
        entries = decode_entries(entries_text, "the record")
    except DataError as error:
        if part == 0:
            yield Difference("", str(error))
        return
    if part:
        yield from _contents(entries, top, _share(entries, part, parts), since)
        return
    manifest = Manifest(entries) if since is None else record
    if (manifest.tree, manifest.files, manifest.size) != (record.tree, record.files, record.size):
        yield Difference("", "the record's totals are not those of its entries")
    if os.fstat(top).st_mode & 0o7777 != 0o755:
        yield Difference("", f"the mode is {os.fstat(top).st_mode & 0o7777:04o}, it was 0755")
    own = None if parts == 1 else _share(entries, part, parts)
    expected = {entry.path: entry for entry in entries}
    bytecode = _Bytecode(entries)
    unread: dict[str, Difference] = {}

    def unreadable(path: str, error: OSError) -> None:
        unread[path] = unreadable_path(path, error)

    for found in walk(top, unreadable=unreadable):
        path = os.fsencode(found.path).decode(errors="backslashreplace")
        entry = expected.pop(found.path, None)
        if entry is None:
            if not bytecode.has(found):
                yield Difference(path, f"a {found.kind} that was not added", FOREIGN)
            continue
        try:
            read = (own is None or found.path in own) and not _untouched(found, since)
            reason = _compare(entry, found, read=read)
            if not reason and found.path == PKGINFO and found.kind == FILE:
                with open(PKGINFO, "rb", opener=found.open) as file:
                    if parse_pkginfo(file.read())[0] != record.pkginfo:
                        reason = "the record has another pkginfo"
        except FileNotFoundError:
            reason = "it vanished while it was read"
        except OSError as error:
            unreadable(found.path, error)
            continue
        if reason and not bytecode.has(found):
            yield Difference(path, reason)
    yield from unread.values()
    hidden = tuple(f"{path}/" for path in unread)
    for path, entry in expected.items():
        if path not in unread and not path.startswith(hidden):
            yield Difference(path, f"the {entry.kind} is missing", MISSING)


def _untouched(found: Found, since: int | None) -> bool:
    return since is not None and found.status.st_ctime_ns <= since


def _contents(
    entries: list[Entry], top: int, share: set[str], since: int | None
) -> Iterator[Difference]:
    """What differs in the content of these files alone."""
    expected = {entry.path: entry for entry in entries}
    bytecode = _Bytecode(entries)
    for found in walk(top, unreadable=lambda path, error: None):  # noqa: ARG005 - part 0 tells
        entry = expected.get(found.path)
        if found.path not in share or entry is None or _differs_outside(entry, found):
            continue
        try:
            reason = _compare(entry, found, read=not _untouched(found, since))
        except FileNotFoundError:
            reason = "it vanished while it was read"
        except OSError as error:
            yield unreadable_path(found.path, error)
            continue
        if reason and not bytecode.has(found):
            yield Difference(found.path, reason)


class _Bytecode:
    """What Python may have written into the tree of these entries."""

    def __init__(self, entries: list[Entry]) -> None:
        self._sources = {each.path for each in entries if each.path.endswith(SOURCE_SUFFIX)}
        self._directories = source_directories(self._sources)

    def has(self, found: Found) -> bool:
        return is_bytecode(found.path, found.kind, found.mode, self._sources, self._directories)


def _share(entries: list[Entry], part: int, parts: int) -> set[str]:
    """The paths of the files that this part reads: each part has about as much to read."""
    loads = [0] * parts
    share = set()
    for entry in sorted(entries, key=lambda entry: entry.size, reverse=True):
        turn = loads.index(min(loads))
        loads[turn] += entry.size
        if turn == part:
            share.add(entry.path)
    return share


def _differs_outside(entry: Entry, found: Found) -> str | None:
    """What differs without a look at the content."""
    kind = found.kind
    if kind != entry.kind:
        return f"a {kind}, it was a {entry.kind}"
    if kind != LINK and found.mode != entry.mode:
        return f"the mode is {found.mode:04o}, it was {entry.mode:04o}"
    if kind == FILE and found.status.st_size != entry.size:
        return f"{found.status.st_size} {BYTES_IT_HAD} {entry.size}"
    return None


def is_content_changed(entry: Entry, found: Found) -> bool:
    """Whether a file or link, of the kind that it was, has another content or target; one that has
    vanished meanwhile has not. Raises OSError."""
    try:
        now = found.entry(found.mode)
    except FileNotFoundError:
        return False
    return (now.target, now.sha256) != (entry.target, entry.sha256)


def _compare(entry: Entry, found: Found, *, read: bool = True) -> str | None:
    reason = _differs_outside(entry, found)
    if reason or entry.kind == DIRECTORY or (entry.kind == FILE and not read):
        return reason
    now = found.entry(found.mode)
    if now.target != entry.target:
        return f"the link's target is {now.target!r}, it was {entry.target!r}"
    if now.sha256 != entry.sha256:
        return "the content has changed"
    return None
