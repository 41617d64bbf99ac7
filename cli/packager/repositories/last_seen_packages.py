"""What was last seen in the signed repositories: for a shell to offer, without asking a server."""

from __future__ import annotations

from pathlib import Path

from packager.base.errors import DataError
from packager.repositories import index_format

DIRECTORY = "repositories"


def last_seen(root: str) -> list[str]:
    """The ids, sorted, in the indexes that are kept in the store at `root`. What can't be read is
    left out: a person in the middle of a line is told nothing rather than an error."""
    ids: set[str] = set()
    for path in Path(root, DIRECTORY).glob(f"*/{index_format.FILE_NAME}"):
        try:
            ids.update(index_format.decode(path.read_bytes()))
        except (OSError, DataError):
            continue
    return sorted(ids)
