"""Whether a generation's tree of links was touched since it was made: the quick check.

It goes by the times of directories (ctime), as that of packages does (see `store.quick_check`).
"""

from __future__ import annotations

import os
import stat

from packager.base.digest import sha256
from packager.base.durable_files import ENTER
from packager.generations.document import DOCUMENT
from packager.generations.tree_layout import MODE, SOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.generations.document import Generation


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
