"""What somebody has put into a tree of the store, or changed there, outlives the tree.

A tree that leaves packages/ is moved to the writer's staging directory under its own name, its
record beside it as `record_name` says; a tree of links as LINKS-… says. Before such a directory is
deleted (by its writer, or, if that was killed, by the next one) what is not as the store made it is
moved from there to ROOT/kept: so nothing is lost by a kill at any point, and nothing has to be
remembered.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from packager.archive.directory_walk import walk
from packager.base.durable_files import opened, remove_tree
from packager.base.errors import DataError
from packager.base.kept_places import KEPT, made_below, new_directory, remove_empty
from packager.generations.document import DOCUMENT, decode, is_number
from packager.generations.foreign_files import foreign_files
from packager.generations.tree_pool import LINKS
from packager.package.entry_kinds import DIRECTORY, FILE
from packager.package.manifest import decode_entries, decode_record
from packager.package.python_bytecode import CACHE, has_name_of_bytecode
from packager.store.tree_comparison import is_content_changed
from packager.store.write_session import RECORD_OF, is_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packager.archive.directory_walk import Found
    from packager.base.events import Emit
    from packager.generations.document import Generation
    from packager.package.manifest import Entry

CONFIGURATION = "etc"  # always read, whatever its times say: the top directories that begin so


def keep_aside(root: str, root_fd: int, staging: int, emit: Emit | None) -> None:
    """Move what is not the store's from the trees in the open directory `staging` to ROOT/kept.

    Event: `kept` (of, path, place) for each; a directory counts once. Raises OSError, whose
    `filename` is below `staging`.
    """
    keeper = _Keeper(root, root_fd, emit)
    failure = None
    spent = []
    for name, of, find in _trees(staging):
        try:
            if _is_directory(name, staging):
                with opened(name, staging) as tree:
                    keeper.keep(of, name, tree, find(tree))
            else:  # somebody's, in the place of the tree
                keeper.keep(of, ".", staging, [name])
            spent.append(name)
        except OSError as error:
            failure = failure or error
    if failure is not None:
        for name in spent:  # on a full disk this makes the room that the others need
            with suppress(OSError):
                remove_tree(name, staging)
        raise failure


def _trees(staging: int) -> Iterator[tuple[str, str, Callable[[int], list[str]]]]:
    """The trees in `staging` that are to be deleted: the name there, what it is of, and how it is
    found out what is not the store's in it. Without its record nothing tells that of a package."""
    for name in sorted(os.listdir(staging)):
        if name.startswith(RECORD_OF):
            found = _record(name, staging)
            if found is not None and is_there(found[0], staging):
                package_id, entries, since = found
                yield package_id, package_id, _finder(entries, since)
        elif name.startswith(LINKS):
            number = name.removeprefix(LINKS).rpartition("-")[0]
            whole = is_number(number)  # it was a generation's: its document tells its own files
            yield name, f"generation-{number}", _whole_tree if whole else _part_of_tree


def _finder(entries: list[Entry], since: int) -> Callable[[int], list[str]]:
    return lambda tree: local_paths(tree, entries, since)


def _whole_tree(tree: int) -> list[str]:
    return foreign_files(tree, _document(tree))


def _part_of_tree(tree: int) -> list[str]:
    return foreign_files(tree, None)


class _Keeper:
    """Moves files to ROOT/kept, and tells `emit` of each."""

    def __init__(self, root: str, root_fd: int, emit: Emit | None) -> None:
        self._root = root
        self._root_fd = root_fd
        self._emit = emit

    def keep(self, of: str, place: str, tree: int, paths: Iterable[str]) -> None:
        """Move these paths of the tree `of`, at the descriptor `tree`, to a new directory in
        ROOT/kept, durably. place: where the tree is in staging. Raises OSError."""
        kept = None
        for path in paths:
            if kept is None:
                kept = new_directory(of, self._root_fd)
            parent, _, name = path.rpartition("/")
            try:
                with made_below(f"{kept}/{parent}", self._root_fd) as directory:
                    os.rename(path, name, src_dir_fd=tree, dst_dir_fd=directory)
                    os.fsync(directory)
            except OSError as error:
                remove_empty(f"{kept}/{parent}", self._root_fd)
                error.filename = f"{place}/{path}"
                raise
            if self._emit is not None:
                shown = os.fsencode(path).decode(errors="backslashreplace")
                self._emit("kept", of=of, path=shown, place=f"{self._root}/{KEPT}/{kept}/{shown}")


def local_paths(tree: int, entries: Iterable[Entry], since: int) -> list[str]:
    """The paths in a package's tree, at the descriptor `tree`, that are not of these entries or
    have other content; what is in a directory of that kind is not named. Modes do not count.

    since: files that were not touched since (ctime, ns since 1970) are believed, except below etc:
    a clock that was set back must not cost a configuration. Raises OSError.
    """
    return _local_paths(walk(tree), entries, since)


def _local_paths(tree: Iterable[Found], entries: Iterable[Entry], since: int) -> list[str]:
    expected = {entry.path: entry for entry in entries}
    found: list[str] = []
    for each in tree:
        if found and each.path.startswith(f"{found[-1]}/"):
            continue
        entry = expected.get(each.path)
        if each.kind == FILE and has_name_of_bytecode(each.path):
            continue  # Python makes it anew
        if entry is None:
            if each.kind != DIRECTORY or each.name != CACHE:
                found.append(each.path)
        elif each.kind != entry.kind or _is_changed(entry, each, since):
            found.append(each.path)
    return found


def changed_configuration(tree: int, entries: Iterable[Entry]) -> list[str]:
    """The paths below etc, and etc of roles, in a package's tree that are not of these entries or
    have other content, all read. Raises OSError."""
    known = list(entries)
    tops = [each.path for each in known if each.path.startswith(CONFIGURATION)]
    found: list[str] = []
    for top in sorted({path.partition("/")[0] for path in tops}):
        if is_there(top, tree) and _is_directory(top, tree):
            with opened(top, tree) as fd:
                found += _local_paths(walk(fd, f"{top}/"), known, 0)
    return found


def _document(tree: int) -> Generation | None:
    try:
        with open(DOCUMENT, "rb", opener=_opener(tree)) as file:
            return decode(file.read(), DOCUMENT)
    except (OSError, DataError):
        return None


def _record(name: str, staging: int) -> tuple[str, list[Entry], int] | None:
    """Whose record the file `name` is, its entries, and when it was written (ns since 1970); None
    if it is damaged."""
    try:
        with open(name, "rb", opener=_opener(staging)) as file:
            since = os.fstat(file.fileno()).st_mtime_ns
            record, entries = decode_record(file.read(), name)
        return record.id, decode_entries(entries, name), since
    except (FileNotFoundError, DataError):
        return None


def _is_changed(entry: Entry, found: Found, since: int) -> bool:
    if entry.kind == DIRECTORY:
        return False
    is_read = entry.path.startswith(CONFIGURATION) or found.status.st_ctime_ns > since
    if entry.kind == FILE and not is_read:
        return bool(found.status.st_size != entry.size)
    return is_content_changed(entry, found)


def _is_directory(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _opener(parent: int) -> Callable[[str, int], int]:
    """Opens names in the directory `parent`, for open()."""
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
