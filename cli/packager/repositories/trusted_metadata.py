"""ROOT/repositories/NAME: what was last seen of a signed repository, so that it can't go back.

trusted.json    its metadata (see `trust.Seen`); replaced under ROOT/lock, never by older ones
index.json      the index that belongs to it, which need not be downloaded again
"""

from __future__ import annotations

import os

from packager.base import durable_files
from packager.base.errors import from_os_error
from packager.repositories import tuf_client
from packager.repositories.index_format import FILE_NAME
from packager.repositories.last_seen_packages import DIRECTORY
from packager.store import lock

TRUSTED = "trusted.json"


def load(root: str, name: str) -> tuf_client.Seen | None:
    """What was last seen of the repository `name`; None: it never was. Raises PackagerError."""
    place = f"{root}/{DIRECTORY}/{name}"
    content = _content(f"{place}/{TRUSTED}")
    if content is None:
        return None
    seen = tuf_client.decode(content, f"{place}/{TRUSTED}")
    seen.index = _content(f"{place}/{FILE_NAME}")
    return seen


def save(root: str, name: str, now: tuf_client.Seen) -> None:
    """Remember `now`, unless something newer has been seen meanwhile. Raises PackagerError."""
    place = f"{root}/{DIRECTORY}/{name}"
    try:
        durable_files.make_directories(place, 0o755)
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with (
                durable_files.opened(f"{DIRECTORY}/{name}", root_fd) as directory,
                lock.exclusive(root_fd, root, lock.DEFAULT_WAIT),
            ):
                there = load(root, name)
                if there is not None and there.anchors == now.anchors and there.age > now.age:
                    return
                if now.index is not None:
                    durable_files.replace_file(FILE_NAME, directory, now.index)
                durable_files.replace_file(TRUSTED, directory, now.encode())
        finally:
            os.close(root_fd)
    except OSError as error:
        raise from_os_error(error, place) from error


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, path) from error
