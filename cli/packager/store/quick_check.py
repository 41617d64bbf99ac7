"""Whether a package's tree was touched since it was made, by its times alone: the quick check.

Whatever changes a file, a link or a directory changes its ctime, which no program can set. What has
been added to a directory, by a new name for an old file too, has a later one; what has been taken
away is missing in the number of entries. So a tree of as many entries as its record has, none of
them with a later ctime than the record was written at, is what was made, and neither the tree nor
the record has to be read. Where that can't be said (a tree that was restored from a backup has
later times), the answer is no, and the long way tells. Only a clock that was set back can make the
answer wrong.
"""

from __future__ import annotations

import os
import stat

from packager.base.durable_files import ENTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.package.manifest import Record

DIRECTORY, FILE = stat.S_IFDIR, stat.S_IFREG
# Of each entry: within a string of JSON no quotation mark stands without a backslash before it.
PATH_MEMBER = b'"path":"'


def is_package_untouched(record: Record, entries_text: bytes, top: int, since: int) -> bool:
    """Whether the directory `top` has what the record says, untouched since (ns since 1970)."""
    left, files, size = entries_text.count(PATH_MEMBER), 0, 0
    todo = [os.dup(top)]
    try:
        while todo:
            fd = todo.pop()
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        status = entry.stat(follow_symlinks=False)
                        if status.st_ctime_ns > since:
                            return False
                        left -= 1
                        kind = stat.S_IFMT(status.st_mode)
                        if kind == FILE:
                            files += 1
                            size += status.st_size
                        elif kind == DIRECTORY:
                            todo.append(os.open(entry.name, ENTER, dir_fd=fd))
            finally:
                os.close(fd)
        return (left, files, size) == (0, record.files, record.size) and (
            stat.S_IMODE(os.fstat(top).st_mode) == 0o755
        )
    except OSError:
        return False
    finally:
        for fd in todo:
            os.close(fd)
