"""Repositories on this host: what a file URL names, copied as a download would be.

Copied, and not read in place: what is checked must be what is used, whoever may write there.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from packager.base.errors import DataError, NotFound, from_os_error
from packager.base.events import Emit
from packager.repositories import urls
from packager.repositories.expected_content import Expected

BLOCK_BYTES = 1 << 20  # bytes copied at once


def copy(url: str, file: BinaryIO, expected: Expected, emit: Emit) -> None:
    """Replace what `file` holds by the content of the file at `url`.

    Events: fetching (source, bytes, total). Raises NotFound, Denied, DataError for what is no file
    or too long, UsageError for the URL, OSError of `file`.
    """
    path = urls.local_path(url)
    try:
        # Without waiting: a fifo's other end may never come.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{expected.shown}: there is no such file") from None
    except OSError as error:
        raise from_os_error(error, path) from error
    file.seek(0)
    file.truncate()
    with open(fd, "rb", buffering=0) as source:  # noqa: PTH123
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{expected.shown}: it is not a file")
        expected.announced(status.st_size)
        copied = 0
        emit("fetching", source=expected.shown, bytes=copied, total=status.st_size)
        while True:
            try:
                piece = source.read(BLOCK_BYTES)
            except OSError as error:
                raise from_os_error(error, path) from error
            if not piece:
                return
            copied += len(piece)
            expected.limit(copied)
            file.write(piece)
            emit("fetching", source=expected.shown, bytes=copied, total=status.st_size)
