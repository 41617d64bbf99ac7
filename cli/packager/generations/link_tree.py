"""The tree of links of a generation, on the disk: built, copied, changed, asked.

    <tree>/bin/sub/tool   -> ../../<name>/bin/sub/tool     likewise lib etc include units
    <tree>/<name>         -> ../../packages/<id>

Every published file is one link that goes through its package's own link at the top of the same
tree. So a new version of a package that publishes the same paths changes one link, however many
files it has; and a reader who has entered a tree sees the set of that generation in every path.

A tree is changed only before it becomes a generation, or after it was one (see `tree_pool`).
Nothing of a package's own tree is ever opened here, and no path is followed through a link:
directories are opened one below the other, without following.
"""

from __future__ import annotations

import os
import stat
from _thread import get_ident
from contextlib import closing, suppress

from packager.base.durable_files import opened, sync_filesystem
from packager.generations.path_conflicts import DIRECTORY
from packager.generations.tree_layout import MODE, SOURCES
from packager.package.python_bytecode import CACHE, source_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Sized

    from packager.generations.published_links import Published

PACKAGES = "../../packages/"  # where the links at the top of a tree lead
ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MIN_PARALLEL_LINKS = 2000  # links that are worth a second thread


class Spoiled(Exception):
    """A tree does not hold what its document says: somebody else has changed it."""


class Walk:
    """A way through the directories of a tree, each opened below the one that it is in. What leads
    to the place that was entered last stays open: the next one mostly is near."""

    __slots__ = ("_fds", "_parts")

    def __init__(self, tree: int) -> None:
        self._fds = [tree]
        self._parts: list[str] = []

    def enter(self, directory: str) -> int:
        """A descriptor of the directory at this path of the tree, "" for the top; it is closed
        here, when another one is entered or at the end. Raises OSError."""
        parts = directory.split("/") if directory else []
        known = 0
        for part, open_part in zip(parts, self._parts, strict=False):
            if part != open_part:
                break
            known += 1
        self._leave(known)
        for part in parts[known:]:
            self._fds.append(os.open(part, ENTER, dir_fd=self._fds[-1]))
            self._parts.append(part)
        return self._fds[-1]

    def close(self) -> None:
        self._leave(0)

    def _leave(self, depth: int) -> None:
        while len(self._parts) > depth:
            self._parts.pop()
            os.close(self._fds.pop())


class Changes:
    """What makes one tree another: sets of packages' links, and the packages' own links. caches:
    directories with sources that come or go, and whether packages publish bytecode in them."""

    __slots__ = ("add", "caches", "remove", "rename")

    def __init__(self, leaving: Iterable[Published], entering: Iterable[Published]) -> None:
        old = {each.name: each for each in leaving}
        new = {each.name: each for each in entering}
        published = [path for each in (*old.values(), *new.values()) for path in each.links]
        into_caches = {path.rpartition("/")[0] for path in published if f"/{CACHE}/" in path}
        self.caches = {
            each: f"{each}/{CACHE}" in into_caches
            for each in source_directories(path for gone in old.values() for path in gone.links)
        }
        # path, text of the link; the same link before and after is no change
        gone = {(p, link_text(p, n, s)) for n, each in old.items() for p, s in each.links.items()}
        self.add: dict[str, dict[str, str]] = {}
        for name, each in sorted(new.items()):  # of packages that share a file, the first has it
            for path, source in each.links.items():
                text = link_text(path, name, source)
                if (path, text) in gone:
                    gone.remove((path, text))
                else:
                    _put(self.add, path, text)
        self.remove: dict[str, dict[str, str]] = {}
        for path, text in gone:
            _put(self.remove, path, text)
        for each in old.values():
            for directory in each.directories:
                if not any(directory in other.directories for other in new.values()):
                    self.remove.setdefault(directory, {})
        for each in new.values():
            for directory in each.directories:
                self.add.setdefault(directory, {})
        self.rename = {
            name: f"{PACKAGES}{new[name].id}" if name in new else None
            for name in {**old, **new}
            if name not in old or name not in new or old[name].id != new[name].id
        }

    @property
    def more(self) -> int:
        """How many more links the tree has then."""
        added = sum(map(len, self.add.values()))
        return added - sum(map(len, self.remove.values()))


def link_text(path: str, name: str, source: str) -> str:
    """The text of the link at `path` of a tree to the file `source` of the package `name`."""
    return f"{'../' * path.count('/')}{name}/{source}"


def is_own_link(path: str, text: str) -> bool:
    """Whether the link at `path` of a tree has such a text as all have that are made here."""
    up = "../" * path.count("/")
    if not up:
        return text.startswith(PACKAGES)
    return text.startswith(up) and not text.startswith(f"{up}../")


def owner(path: str, text: str) -> str:
    """The name of the package that the link at `path` with this text is of."""
    return text.removeprefix("../" * path.count("/")).partition("/")[0]


def build(tree: int, changes: Changes) -> set[str]:
    """Make all links of a first set of packages in the empty directory `tree`; the directories
    made, "" for the top. Raises Spoiled, OSError."""
    for each in SOURCES:
        changes.add.setdefault(each, {})
    touched = {""}
    change(tree, changes, (), touched)
    return touched


def change(tree: int, changes: Changes, needed: Iterable[str], touched: set[str]) -> None:
    """Carry out `changes`.

    needed: directories that stay although no link may be in them. touched: the directories that are
    to be synced, "" for the top; those changed here are added, those removed are taken out. Raises
    Spoiled, OSError.
    """
    if changes.rename:
        touched.add("")
    try:
        needed = set(needed)
        _remove_caches(tree, changes, touched, needed)
        _remove(tree, changes, touched, needed)
        _add(tree, changes, touched)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise Spoiled(str(error)) from error
    for name, target in sorted(changes.rename.items()):
        place_link(name, target, tree)


def place_link(name: str, target: str | None, parent: int) -> None:
    """Make `name` in the directory `parent` a link with this target, or (None) nothing."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
    if target is not None:
        os.symlink(target, name, dir_fd=parent)


def _remove_caches(tree: int, changes: Changes, touched: set[str], needed: Container[str]) -> None:
    """Delete bytecode that Python has written beside sources that are others now: it takes it for
    that of a source with the same size and time, and two versions may have both. Raises Spoiled
    where it may have written it in the place of links."""
    with closing(Walk(tree)) as walk:
        for directory, is_published in sorted(changes.caches.items()):
            fd, cache = walk.enter(directory), f"{directory}/{CACHE}"
            try:
                inner = os.open(CACHE, ENTER, dir_fd=fd)
            except FileNotFoundError:
                continue
            try:
                with os.scandir(inner) as entries:
                    links = {entry.name: entry.is_symlink() for entry in entries}
                if all(links.values()):
                    continue
                if is_published or any(links.values()):
                    raise Spoiled(f"{cache} has bytecode among its links")
                for name in links:
                    os.unlink(name, dir_fd=inner)
            finally:
                os.close(inner)
            touched.add(directory)
            if cache not in needed:
                os.rmdir(CACHE, dir_fd=fd)
                touched.discard(cache)


def _remove(tree: int, changes: Changes, touched: set[str], needed: set[str]) -> None:
    with closing(Walk(tree)) as walk:
        for directory in sorted(changes.remove, reverse=True):  # children first
            links = changes.remove[directory]
            fd = walk.enter(directory)
            try:
                for name, target in links.items():
                    if os.readlink(name, dir_fd=fd) != target:
                        raise Spoiled(f"{directory}/{name} is another link")
                    os.unlink(name, dir_fd=fd)
            except OSError as error:
                if error.errno == 22:  # EINVAL: not a link
                    raise Spoiled(str(error)) from error
                raise
            if links:
                touched.add(directory)
            if directory in changes.add or directory in needed:
                continue
            parent, _, name = directory.rpartition("/")
            try:
                os.rmdir(name, dir_fd=walk.enter(parent))
            except OSError as error:
                if error.errno not in (39, 17):  # ENOTEMPTY, and EEXIST for the same: still in use
                    raise
            else:
                touched.discard(directory)
                touched.add(parent)


def _add(tree: int, changes: Changes, touched: set[str]) -> None:
    with closing(Walk(tree)) as walk:
        for directory in sorted(changes.add):  # parents first
            parent, _, name = directory.rpartition("/")
            with suppress(FileExistsError):
                _make(name, walk.enter(parent))
                touched.update((parent, directory))
    full = {directory: links for directory, links in sorted(changes.add.items()) if links}
    touched.update(full)

    def fill(directory: str, fd: int) -> None:
        symlink = os.symlink
        for name, target in full[directory].items():
            symlink(target, name, dir_fd=fd)

    _each((tree,), full, fill)


def copy(source: int, target: int) -> set[str]:
    """Give the empty directory `target` all that the tree `source` has, sharing links and files;
    the directories made, "" for the top.

    A link needs no inode of its own: link(2) is quicker than symlink(2) and takes no space. What
    can't be shared (file systems without hard links to symbolic ones) is made anew. Raises OSError.
    """
    found: dict[str, list[str]] = {}
    _copy_directories(source, target, "", found)

    def fill(directory: str, old: int, new: int) -> None:
        for name in found[directory]:
            try:
                os.link(name, name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
            except OSError as error:
                try:
                    text = os.readlink(name, dir_fd=old)
                except OSError:
                    raise error from None  # a file: it failed for another reason
                place_link(name, text, new)

    _each((source, target), found, fill)
    return set(found)


def copy_durably(name: str, parent: int, new_name: str, new_parent: int) -> None:
    """Make `new_name` in the directory `new_parent` a copy (see `copy`) of the tree `name`, and
    write it to the disk. Raises OSError."""
    _make(new_name, new_parent)
    with opened(name, parent) as source, opened(new_name, new_parent) as target:
        copy(source, target)
        sync_filesystem(target)


def _copy_directories(source: int, target: int, path: str, found: dict[str, list[str]]) -> None:
    """Make the directories of `source` in `target`; `found`: what else is in each of them."""
    with os.scandir(source) as entries:
        inner: list[str] = []
        names = found[path] = []
        for entry in entries:
            (inner if entry.is_dir(follow_symlinks=False) else names).append(entry.name)
    for name in inner:
        _make(name, target)
        old, new = os.open(name, ENTER, dir_fd=source), os.open(name, ENTER, dir_fd=target)
        try:
            _copy_directories(old, new, f"{path}/{name}" if path else name, found)
        finally:
            os.close(old)
            os.close(new)


def _make(name: str, parent: int) -> None:
    """Make the directory `name`. Raises FileExistsError, OSError."""
    os.mkdir(name, MODE, dir_fd=parent)
    os.chmod(name, MODE, dir_fd=parent)  # whatever the umask is; nobody else puts a link there


def _each(trees: Sequence[int], contents: Mapping[str, Sized], fill: Callable[..., None]) -> None:
    """Call `fill` for every directory, with a descriptor of it in each of the trees; two at a time
    if that is worth a thread."""
    walks: dict[int, list[Walk]] = {}  # of each thread

    def work(directory: str) -> None:
        mine = walks.get(get_ident()) or walks.setdefault(get_ident(), [Walk(t) for t in trees])
        fill(directory, *(walk.enter(directory) for walk in mine))

    try:
        if sum(map(len, contents.values())) < MIN_PARALLEL_LINKS:
            for directory in contents:
                work(directory)
        else:
            from packager.base.threads import in_two

            in_two(work, contents)
    finally:
        for mine in walks.values():
            for walk in mine:
                walk.close()


def sync(tree: int, directories: Iterable[str], files: Iterable[str] = ()) -> None:
    """Write these directories, and these files at the top, to the disk. Raises OSError."""
    for name in files:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=tree)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    with closing(Walk(tree)) as walk:
        for directory in sorted(directories, reverse=True):
            os.fsync(walk.enter(directory))


class DiskIndex:
    """The tree at the descriptor `tree`, asked who owns a path (see `path_conflicts.Index`)."""

    def __init__(self, tree: int) -> None:
        self._tree = tree

    def look(self, path: str) -> str | None:
        try:
            target = os.readlink(path, dir_fd=self._tree)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # EINVAL: there is something, and it is not a link
            mode = os.stat(path, dir_fd=self._tree, follow_symlinks=False).st_mode
            return DIRECTORY if stat.S_ISDIR(mode) else None
        return owner(path, target)

    def list(self, path: str) -> Iterable[str]:
        with closing(Walk(self._tree)) as walk:
            return os.listdir(walk.enter(path))  # noqa: PTH208


def _put(links: dict[str, dict[str, str]], path: str, text: str) -> None:
    directory, _, name = path.rpartition("/")
    links.setdefault(directory, {}).setdefault(name, text)
