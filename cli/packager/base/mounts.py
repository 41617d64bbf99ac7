"""What is mounted inside a directory of the store is somebody else's: no tree that has it is
deleted, moved or exchanged.

rename(2) refuses a mount point itself (EBUSY), but not a directory with one further down, so what
is to be taken away is looked at before anything changes. Device numbers can't tell: those of a
bind mount are the same on both sides.
"""

from __future__ import annotations

import os
from contextlib import suppress

from packager.base.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNTS = "/proc/self/mountinfo"
MAX_SHOWN_MOUNTS = 3


def refuse_mounts(directory: int, names: Iterable[str]) -> None:
    """Raise ConfigError if something is mounted at or below one of `names`, which are paths below
    the open directory. Without /proc nothing is known here, and `durable_files.remove_tree` alone
    stops at mount points."""
    trees = [os.fsencode(name) for name in names]
    if not trees:
        return
    with suppress(FileNotFoundError):
        link = f"/proc/self/fd/{directory}"
        top = os.fsencode(os.readlink(link)).rstrip(b"/")  # noqa: PTH115
        with open(MOUNTS, "rb") as file:  # noqa: PTH123
            found = mounts_below(file.read(), [top + b"/" + tree for tree in trees])
        if found:
            raise ConfigError(_refusal([os.fsdecode(path) for path in found]))


def mounts_below(mountinfo: bytes, trees: Iterable[bytes]) -> list[bytes]:
    """The mount points at or below one of the absolute paths `trees`, deepest first: in the order
    in which they can be unmounted. mountinfo: as proc_pid_mountinfo(5) has it."""
    prefixes = tuple(tree + b"/" for tree in trees)
    found = set()
    for line in mountinfo.split(b"\n"):
        fields = line.split(b" ", 5)
        if len(fields) > 4:
            path = _unescaped(fields[4])
            if (path + b"/").startswith(prefixes):
                found.add(path)
    return sorted(found, reverse=True)


def _unescaped(field: bytes) -> bytes:
    """The path: the kernel writes blanks, line ends and backslashes as three octal digits."""
    first, *rest = field.split(b"\\")
    return first + b"".join(bytes([int(each[:3], 8)]) + each[3:] for each in rest)


def _refusal(paths: list[str]) -> str:
    shown = ", ".join(paths[:MAX_SHOWN_MOUNTS])
    more = f" and {len(paths) - MAX_SHOWN_MOUNTS} more" if len(paths) > MAX_SHOWN_MOUNTS else ""
    verb = "is a mount point" if len(paths) == 1 else "are mount points"
    return (
        f"{shown}{more} {verb}: what is mounted there is not the store's to delete or move, and "
        f"nothing was changed; 'umount {paths[0]}', then run the command again"
    )
