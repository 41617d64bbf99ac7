"""ROOT/kept: what somebody has put into a tree of the store, or changed there, outlives the tree.

A tree that leaves packages/ is moved to REPLACED in the writer's staging directory, with its record
in RECORDS; a tree of links to LINKS. Before such a directory is deleted (by its writer, or, if that
was killed, by the next one) what is not as the store made it is moved from there to ROOT/kept: so
nothing is lost by a kill at any point, and nothing has to be remembered.
"""

from __future__ import annotations

import os
import stat

from packager.archive.directory_walk import walk
from packager.base.digest import sha256
from packager.base.durable_files import opened
from packager.base.errors import DataError
from packager.base.kept_places import KEPT, made_below, new_directory
from packager.generations.document import DOCUMENT, decode
from packager.generations.link_tree import is_own_link
from packager.generations.tree_pool import LINKS
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.manifest import decode_entries, decode_record
from packager.store.tree_comparison import is_content_changed
from packager.store.write_session import RECORDS, REPLACED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packager.archive.directory_walk import Found
    from packager.base.events import Emit
    from packager.package.manifest import Entry

CONFIGURATION = "etc"  # always read, whatever its times say: the top directories that begin so
BYTECODE = "__pycache__"  # Python makes it anew


def keep_aside(root: str, root_fd: int, staging: int, emit: Emit | None) -> None:
    """Move what is not the store's from the trees in the open directory `staging` to ROOT/kept.

    Event: `kept` (of, path, place) for each; a directory counts once. Raises OSError.
    """
    keeper = _Keeper(root, root_fd, emit)
    for package_id in _names(REPLACED, staging):
        with opened(REPLACED, staging) as replaced:
            if not _is_directory(package_id, replaced):
                keeper.keep(package_id, replaced, [package_id])  # somebody's, in the tree's place
                continue
            entries, since = _record(package_id, staging)
            if entries is None:
                continue  # nothing tells what is the package's own
            with opened(package_id, replaced) as tree:
                keeper.keep(package_id, tree, local_paths(tree, entries, since))
    for name in _names(LINKS, staging):
        of = f"generation-{name.partition('-')[0]}"
        with opened(LINKS, staging) as links:
            if not _is_directory(name, links):
                keeper.keep(of, links, [name])
                continue
            with opened(name, links) as tree:
                keeper.keep(of, tree, list(strangers(tree)))


class _Keeper:
    """Moves files to ROOT/kept, and tells `emit` of each."""

    def __init__(self, root: str, root_fd: int, emit: Emit | None) -> None:
        self._root = root
        self._root_fd = root_fd
        self._emit = emit

    def keep(self, of: str, tree: int, paths: Iterable[str]) -> None:
        """Move these paths of the tree `of`, at the descriptor `tree`, to a new directory in
        ROOT/kept, durably. Raises OSError."""
        kept = None
        for path in paths:
            if kept is None:
                kept = new_directory(of, self._root_fd)
            parent, _, name = path.rpartition("/")
            with made_below(f"{kept}/{parent}", self._root_fd) as directory:
                os.rename(path, name, src_dir_fd=tree, dst_dir_fd=directory)
                os.fsync(directory)
            if self._emit is not None:
                shown = os.fsencode(path).decode(errors="backslashreplace")
                place = f"{self._root}/{KEPT}/{kept}/{shown}"
                self._emit("kept", of=of, path=shown, place=place)


def local_paths(tree: int, entries: Iterable[Entry], since: int) -> list[str]:
    """The paths in a package's tree, at the descriptor `tree`, that are not of these entries or
    have other content; what is in a directory of that kind is not named. Modes do not count.

    since: files that were not touched since (ctime, ns since 1970) are believed, except below etc:
    a clock that was set back must not cost a configuration. Raises OSError.
    """
    expected = {entry.path: entry for entry in entries}
    found: list[str] = []
    for each in walk(tree):
        if found and each.path.startswith(f"{found[-1]}/"):
            continue
        entry = expected.get(each.path)
        if entry is None:
            if not _is_bytecode(each.path):
                found.append(each.path)
        elif each.kind != entry.kind or _is_changed(entry, each, since):
            found.append(each.path)
    return found


def strangers(tree: int) -> Iterator[str]:
    """The paths in a tree of links, at the descriptor `tree`, that are none of its links and files
    (directories do not count). Raises OSError."""
    own = _own_files(tree)
    for each in walk(tree):
        if each.kind == DIRECTORY:
            continue
        if each.kind == LINK:
            if not is_own_link(each.path, os.readlink(each.name, dir_fd=each.parent)):
                yield each.path
        elif each.path not in own or own[each.path] != _sum(each):
            yield each.path


def _own_files(tree: int) -> dict[str, str]:
    """The files that are not links in a generation's tree, and their SHA-256, as its document has
    it; what the document is itself is believed."""
    try:
        with open(DOCUMENT, "rb", opener=_opener(tree)) as file:
            content = file.read()
        return {DOCUMENT: sha256(content), **decode(content, DOCUMENT).files}
    except (OSError, DataError):
        return {}


def _sum(found: Found) -> str | None:
    return found.entry(found.mode).sha256 if found.kind == FILE else None


def _record(package_id: str, staging: int) -> tuple[list[Entry] | None, int]:
    """The entries of a tree in REPLACED, None if its record is lost or damaged, and when it was
    written."""
    try:
        with (
            opened(RECORDS, staging) as records,
            open(package_id, "rb", opener=_opener(records)) as file,
        ):
            since = os.fstat(file.fileno()).st_mtime_ns
            entries = decode_record(file.read(), package_id)[1]
        return decode_entries(entries, package_id), since
    except (FileNotFoundError, DataError):
        return None, 0


def _is_changed(entry: Entry, found: Found, since: int) -> bool:
    if entry.kind == DIRECTORY:
        return False
    is_read = entry.path.startswith(CONFIGURATION) or found.status.st_ctime_ns > since
    if entry.kind == FILE and not is_read:
        return bool(found.status.st_size != entry.size)
    return is_content_changed(entry, found)


def _is_bytecode(path: str) -> bool:
    return BYTECODE in path.split("/")


def _is_directory(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _names(name: str, staging: int) -> list[str]:
    try:
        with opened(name, staging) as fd:
            return sorted(os.listdir(fd))  # noqa: PTH208
    except FileNotFoundError:
        return []


def _opener(parent: int) -> Callable[[str, int], int]:
    """Opens names in the directory `parent`, for open()."""
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
