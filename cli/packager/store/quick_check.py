"""Whether a package's tree was touched since it was made, by its times alone: the quick check.

Whatever changes a file, a link or a directory changes its ctime, which no program can set. So what
has no later one than what was written down at the end of its making is what was made; nothing has
to be read. Where that can't be said (a tree that was restored from a backup has later times), the
answer is no, and the long way tells. Only a clock that was set back can make the answer wrong.
"""

from __future__ import annotations

import json
import os
import stat

from packager.base.durable_files import ENTER
from packager.package.entry_kinds import DIRECTORY, FILE, LINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    mode = item.get("mode", "0777")  # links have none
    found = _modes.get((item["type"], mode))
    if found is None:
        found = _modes[item["type"], mode] = KINDS[item["type"]] | int(mode, 8)
    return found
