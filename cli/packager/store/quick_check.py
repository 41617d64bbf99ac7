"""Whether a tree was touched since it was made, told by times alone: the quick way to verify.

Whatever changes a file, a link or a directory changes its ctime, which no program can set. So what
has no later one than what was written down at the end of its making is what was made; nothing has
to be read. Where that can't be said (a tree that was restored from a backup has later times), the
answer is no, and the long way tells. Only a clock that was set back can make the answer wrong.
"""

from __future__ import annotations

import json
import os
import stat

from packager.archive.tar_reader import DIRECTORY, FILE, LINK
from packager.base.durable_files import ENTER
from packager.generations.document import DOCUMENT
from packager.generations.link_tree import MODE
from packager.generations.published_links import SOURCES
from packager.package.host_declarations import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from packager.generations.document import Generation

KINDS = {FILE: stat.S_IFREG, DIRECTORY: stat.S_IFDIR, LINK: stat.S_IFLNK}
_modes: dict[tuple[str, str], int] = {}  # there are few


def is_package_untouched(entries_text: bytes, top: int, since: int) -> bool:
    """Whether the directory `top` has what these entries say, untouched since (ns since 1970)."""
    try:
        expected = {item["path"]: item for item in json.loads(entries_text)}
        left = len(expected)
        todo = [("", os.dup(top))]
        try:
            while todo:
                prefix, fd = todo.pop()
                try:
                    with os.scandir(fd) as entries:
                        for entry in entries:
                            item = expected.get(prefix + entry.name)
                            status = entry.stat(follow_symlinks=False)
                            if item is None or status.st_mode != _mode(item):
                                return False
                            left -= 1
                            if item["type"] == DIRECTORY:
                                inner = os.open(entry.name, ENTER, dir_fd=fd)
                                todo.append((f"{prefix}{entry.name}/", inner))
                                continue
                            size = item["size"] if item["type"] == FILE else status.st_size
                            if status.st_ctime_ns > since or status.st_size != size:
                                return False
                finally:
                    os.close(fd)
        finally:
            for _, fd in todo:
                os.close(fd)
        return left == 0 and stat.S_IMODE(os.fstat(top).st_mode) == 0o755
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _mode(item: dict[str, Any]) -> int:
    """What st_mode is of an entry that is as it was made."""
    told = item.get("mode", "0777")  # links have none
    found = _modes.get((item["type"], told))
    if found is None:
        found = _modes[item["type"], told] = KINDS[item["type"]] | int(told, 8)
    return found


def is_generation_untouched(generation: Generation, tree: int) -> bool:
    """Whether the tree of links has what was made for `generation`, its whole document.

    The document is the last that is written into a tree. A link can't be changed but by another one
    in its place, which changes the directory; so only directories are looked at. The top, whose
    ctime changes when the tree gets its number, is compared by what is in it, and so are files.
    """
    try:
        since = os.stat(DOCUMENT, dir_fd=tree, follow_symlinks=False).st_mtime_ns
        links = {name: f"../../packages/{each}" for name, each in generation.names.items()}
        files = {name for name in generation.files if "/" not in name} | {DOCUMENT}
        if set(os.listdir(tree)) != links.keys() | files | SOURCES.keys():
            return False
        if stat.S_IMODE(os.fstat(tree).st_mode) != MODE:
            return False
        return (
            all(os.readlink(name, dir_fd=tree) == target for name, target in links.items())
            and all(_has(name, sum_, tree) for name, sum_ in generation.files.items())
            and all(_is_directory_untouched(name, tree, since) for name in SOURCES)
        )
    except OSError:
        return False


def _has(name: str, sum_: str, tree: int) -> bool:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=tree)
    with open(fd, "rb") as file:  # noqa: PTH123
        mode = os.fstat(file.fileno()).st_mode
        return mode == stat.S_IFREG | 0o644 and sha256(file.read()) == sum_


def _is_directory_untouched(name: str, parent: int, since: int) -> bool:
    fd = os.open(name, ENTER, dir_fd=parent)
    try:
        status = os.fstat(fd)
        if status.st_ctime_ns > since or stat.S_IMODE(status.st_mode) != MODE:
            return False
        with os.scandir(fd) as entries:
            inner = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        return all(_is_directory_untouched(each, fd, since) for each in inner)
    finally:
        os.close(fd)
