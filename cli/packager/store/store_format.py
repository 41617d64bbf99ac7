"""ROOT/format: the format of all that is in a store, and the first version that can read it.

    2 0.3.0

A store without this file has format 1. Whoever writes a newer one says so here first, durably and
under ROOT/lock; whoever does not know it touches nothing. Every start reads this: nothing is
imported for a store of format 1.
"""

from __future__ import annotations

import os

FORMAT = 1  # what this version writes; it reads all before
SINCE = "0.1.0"  # the first version that reads FORMAT
FIRST_FORMAT = 1  # that of stores that do not tell
NAME = "format"


def refuse_newer(root: str) -> None:
    """Raise ConfigError if the store at `root` has a format that this version does not know,
    DataError if it can't be told, PackagerError for errno."""
    number, since = _read(root)
    if number <= FORMAT:
        return
    from packager import __version__
    from packager.base.errors import ConfigError

    raise ConfigError(
        f"{root}: this store has format {number}, and this is packager {__version__}, which knows "
        f"none after {FORMAT}: use packager {since} or newer (nothing was changed)"
    )


def declare(root: str, root_fd: int) -> None:
    """Before anything is written: refuse as `refuse_newer`, and raise the store to this version's
    format. The caller holds ROOT/lock. Raises OSError beside."""
    refuse_newer(root)
    if _read(root)[0] < FORMAT:
        from packager.base.durable_files import replace_file

        replace_file(NAME, root_fd, f"{FORMAT} {SINCE}\n".encode())


def _read(root: str) -> tuple[int, str]:
    """The format, and the first version that reads it."""
    path = f"{root}/{NAME}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return FIRST_FORMAT, SINCE  # of a root that is none, or can't be read, others tell
    except OSError as error:
        from packager.base.errors import from_os_error

        raise from_os_error(error, path, store=root) from error
    try:
        text = os.read(fd, 100).decode(errors="replace")
    finally:
        os.close(fd)
    number, _, since = text.strip().partition(" ")
    if not (number.isascii() and number.isdigit() and since):
        from packager.base.errors import DataError

        raise DataError(f"{path}: this is not what packager writes there: put it back")
    return int(number), since
