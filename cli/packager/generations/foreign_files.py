"""What in a generation's tree of links is somebody else's: files and links that were put there, and
the tree's own files that were edited.

An editor that writes a new file and renames it puts it in the place of a link. Such a tree is no
model for another one, and what is in it is kept when the tree goes.
"""

from __future__ import annotations

import os

from packager.base.digest import sha256
from packager.base.durable_files import ENTER
from packager.generations.document import DOCUMENT
from packager.generations.link_tree import is_own_link
from packager.generations.tree_layout import RESERVED, SOURCES
from packager.package.declarations import SERVICES_FILE
from packager.package.python_bytecode import has_name_of_bytecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.generations.document import Generation

CONFIGURATION = "etc"
OWN_FILES = (*(RESERVED - SOURCES.keys()), SERVICES_FILE)


def foreign_files(tree: int, generation: Generation | None, *, quick: bool = False) -> list[str]:
    """The paths in the tree, at the descriptor `tree`, that are not of `generation`, the document
    that it was made for, sorted; directories do not count. None: files of the tree's own names are
    believed. quick: of the directories only etc is looked into, which is what people edit, and what
    was not touched since the tree was made is not, as far as times tell. Raises OSError."""
    own: dict[str, str | None] = dict.fromkeys(OWN_FILES)
    if generation is not None:
        own.update(generation.files)
    since = _made(tree) if quick else None
    found = [path for path, known in own.items() if known and _sum(path, tree) not in (known, None)]
    found += _others(tree, "", own, since)
    return sorted(found)


def _others(tree: int, prefix: str, own: dict[str, str | None], since: int | None) -> Iterator[str]:
    inner = []
    with os.scandir(tree) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.is_symlink():
                if not is_own_link(path, os.readlink(entry.name, dir_fd=tree)):
                    yield path
            elif entry.is_dir(follow_symlinks=False):
                inner.append(entry.name)
            elif path not in own and not has_name_of_bytecode(path):
                yield path
    for name in inner:
        if since is not None and (
            (not prefix and name != CONFIGURATION) or _is_untouched_leaf(name, tree, since)
        ):
            continue
        fd = os.open(name, ENTER, dir_fd=tree)
        try:
            yield from _others(fd, f"{prefix}{name}/", own, since)
        finally:
            os.close(fd)


def _is_untouched_leaf(name: str, parent: int, since: int) -> bool:
    """Whether nothing was put into the directory since then, and there is none below it: most file
    systems count directories as links to their parents (inode(7)); the others are looked into."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return status.st_nlink == 2 and status.st_ctime_ns <= since


def _made(tree: int) -> int | None:
    """When the tree was made: its document is written last. None: it has none."""
    try:
        return os.stat(DOCUMENT, dir_fd=tree, follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return None


def _sum(path: str, tree: int) -> str | None:
    """The SHA-256 of a file, "" for what is none, None for what is not there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=tree)
        with open(fd, "rb") as file:  # noqa: PTH123
            return sha256(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return ""
