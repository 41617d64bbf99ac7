"""Files that only their owner can read, made before SQLite opens them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from packager.base.errors import from_os_error


def make_private(path: Path) -> None:
    """Make the file, with mode 0600, if it is not there. Raises PackagerError.

    One that is there is not opened: closing it would take this process's locks of it away from
    another connection to the same database (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise from_os_error(error, str(path)) from error
