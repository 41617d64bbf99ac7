"""Reading what the store knows of an installed package: ROOT/manifests/<id> (see `manifest`)."""

from __future__ import annotations

import os

from packager.base.errors import DataError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.package.manifest import Record


def read_record(root: str, name: str) -> tuple[Record, bytes]:
    """The record of the package `name`, a well-formed id, and the JSON array of its entries, not
    parsed. Raises NotFound, DataError, OSError."""
    path = f"{root}/manifests/{name}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except FileNotFoundError:
        if not os.path.lexists(f"{root}/packages/{name}"):
            raise missing(root, name) from None
        raise DataError(
            f"{path}: the record of {name} is gone; 'packager repair' gives it a new one"
        ) from None
    from packager.package.manifest import decode_record

    record, entries = decode_record(content, path)
    if record.id != name:
        raise DataError(f"{path}: this is the record of {record.id}, not of {name}")
    return record, entries


def is_private(root: str, name: str) -> bool:
    """Whether the record of the package is its owner's only: hashes in it would tell of what the
    package keeps secret. Raises OSError."""
    try:
        return not os.stat(f"{root}/manifests/{name}").st_mode & 0o077  # noqa: PTH116
    except FileNotFoundError:
        return True  # it was removed meanwhile; nobody can say any more that it was not


def missing(root: str, name: str) -> NotFound:
    """The error to raise for a package that is not installed."""
    return NotFound(f"{name} is not installed in {root}")
