"""Whose directories lead to the store: who owns one of them can put another store in its place.

So a store is changed, and programs of it are run, only where all of them are root's or one's own.
What readers do with somebody else's store harms nobody but them.
"""

from __future__ import annotations

import os
import stat

from packager.base.errors import ConfigError

MAX_LINKS = 40  # as in the kernel (path_resolution(7))
OVERFLOW_UID = 65534  # how owners without a place in this user namespace are shown


def refuse_others_directories(path: str) -> None:
    """Raise ConfigError if a directory on the way to the absolute `path`, a link there, or `path`
    itself belongs to another user; what is not there yet is nobody's. Raises OSError."""
    trusted = {0, os.geteuid()}
    place, rest = "/", path.split("/")
    links = 0
    while True:
        status = os.lstat(place)
        if status.st_uid not in trusted and not _is_unmapped(status.st_uid):
            raise ConfigError(_refusal(place, status.st_uid, path))
        if stat.S_ISLNK(status.st_mode) and links < MAX_LINKS:
            links += 1
            target = os.readlink(place)  # noqa: PTH115
            rest = [*target.split("/"), *rest]
            place = "/" if target.startswith("/") else os.path.dirname(place)  # noqa: PTH120
        while rest and rest[0] in ("", "."):
            del rest[0]
        if not rest:
            return
        name = rest.pop(0)
        place = os.path.dirname(place) if name == ".." else os.path.join(place, name)  # noqa: PTH118, PTH120
        if not os.path.lexists(place):
            return


def _is_unmapped(uid: int) -> bool:
    """Whether the owner is no user of this user namespace (a container's): nobody in it can be."""
    if uid != OVERFLOW_UID:
        return False
    try:
        with open("/proc/self/uid_map") as file:  # noqa: PTH123
            ranges = [line.split() for line in file]
    except OSError:
        return False
    return not any(int(first) <= uid < int(first) + int(count) for first, _, count in ranges)


def _refusal(place: str, uid: int, path: str) -> str:
    import pwd

    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = f"the user {uid}"
    below = "" if place == path else f" {path} is below it:"
    return (
        f"{place} belongs to {owner}, who could put another store in its place:{below} run as "
        f"{owner}, give it to root ('chown root {place}'), or give another --root"
    )
