"""An archive that comes in: its tree and its record in a writer's own directory, not yet a package.

Nothing of it counts until it is published (see `store`), so nothing here is synced but at the end,
all at once.
"""

from __future__ import annotations

import os
import time

from packager.archive.archive_reader import ArchiveReader
from packager.archive.tar_reader import Refused, TarReader
from packager.archive.unpack import Unpacked, unpack
from packager.base import durable_files
from packager.base.errors import DataError, UsageError
from packager.package.manifest import EMBEDDED, Record
from packager.package.package_id import parse_id, split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from packager.archive.limits import Limits
    from packager.base.events import Emit
    from packager.package.manifest import Manifest

TREE, RECORD = "tree", "record"  # the names in the writer's directory
MIN_PROGRESS_INTERVAL_SECONDS = 0.1  # seconds between two "unpacking" events


class Incoming:
    """What an archive has become: the tree is there; `seal` writes the record and syncs both."""

    __slots__ = ("_directory", "_manifest", "record")

    def __init__(self, directory: int, record: Record, manifest: Manifest) -> None:
        self._directory = directory
        self._manifest = manifest
        self.record = record

    def seal(self, mode: int, generation: int | None) -> None:
        """Make all of it durable; `mode` is the record's, `generation` the newest one. Raises
        OSError."""
        self._write_record(mode, generation, sync=False)
        durable_files.sync_filesystem(self._directory)

    def renumber(self, mode: int, generation: int | None) -> None:
        """Let the sealed record say another newest generation, if another one has been made
        meanwhile. Raises OSError."""
        if self.record.generation != generation:
            os.unlink(RECORD, dir_fd=self._directory)
            self._write_record(mode, generation, sync=True)

    def _write_record(self, mode: int, generation: int | None, *, sync: bool) -> None:
        self.record.generation = generation
        content = self.record.encode(self._manifest)
        durable_files.write_new_file(RECORD, self._directory, content, mode=mode, sync=sync)


def receive(
    source: BinaryIO,
    directory: int,
    limits: Limits,
    expected_id: str | None,
    *,
    sha256: str | None,
    size: int | None,
    emit: Emit | None,
) -> Incoming:
    """Unpack the archive into the empty `directory`. `expected_id`: the id, if it is known.

    Events: `unpacking` (id, files, bytes) now and then, `warning` (message). Raises UsageError if
    nobody says the id, DataError for the archive, OSError.
    """
    os.mkdir(TREE, 0o755, dir_fd=directory)
    tree = os.open(TREE, durable_files.ENTER, dir_fd=directory)
    try:
        os.fchmod(tree, 0o755)  # whatever the umask is
        archive = ArchiveReader(source, limits)
        unpacked = _unpack(archive, tree, limits, progress_to(emit, expected_id))
    finally:
        os.close(tree)
    check_archive(archive, sha256, size)
    record = make_record(expected_id, unpacked, archive)
    for message in (*unpacked.warnings, *_nested(unpacked.manifest, record.id)):
        if emit:
            emit("warning", message=message)
    return Incoming(directory, record, unpacked.manifest)


def _unpack(
    archive: ArchiveReader, tree: int, limits: Limits, progress: Callable[[int, int], None]
) -> Unpacked:
    reader = TarReader(archive.read, limits)
    try:
        return unpack(reader, tree, limits, progress)
    except Refused as refused:
        if reader.current is None:
            raise DataError(f"the archive is refused: {refused}") from None
        name = reader.current.decode(errors="backslashreplace")
        raise DataError(f"the archive is refused: {name!r}: {refused}") from None
    finally:
        archive.close()


def check_archive(archive: ArchiveReader, sha256: str | None, size: int | None) -> None:
    """Compare the archive that was read with what was promised. Raises DataError."""
    if size is not None and size != archive.archive_size:
        raise DataError(f"the archive has {archive.archive_size} bytes, expected {size}")
    if sha256 is not None and sha256.lower() != archive.sha256:
        raise DataError(f"the archive's SHA-256 is {archive.sha256}, expected {sha256}")


def make_record(expected_id: str | None, unpacked: Unpacked, archive: ArchiveReader) -> Record:
    """The record of the package. Raises UsageError if nobody said its id, DataError if the archive
    says another one."""
    named = unpacked.named_id
    if expected_id is None:
        if named is None:
            raise UsageError("the archive does not say which package it is; give its id: --id")
        expected_id = str(parse_id(named))
    elif named is not None and named != expected_id:
        raise DataError(f"the archive's {EMBEDDED} says that it is {named!r}, not {expected_id}")
    return Record(
        id=expected_id,
        archive_sha256=archive.sha256,
        archive_size=archive.archive_size,
        tree=unpacked.manifest.tree,
        files=unpacked.manifest.files,
        size=unpacked.manifest.size,
        pkginfo=unpacked.pkginfo,
    )


def _nested(manifest: Manifest, package_id: str) -> list[str]:
    """A warning of an archive of the directory itself rather than of what is in it."""
    tops = {each.path.partition("/")[0] for each in manifest.entries} - {EMBEDDED}
    name, version = split_id(package_id)
    if len(tops) != 1 or tops.isdisjoint((package_id, name, f"{name}-{version}")):
        return []
    (top,) = tops
    return [
        f"all of the archive is below {top}/: nothing of it is published; pack what is in the "
        "directory, as 'packager build' does"
    ]


def progress_to(emit: Emit | None, package_id: str | None) -> Callable[[int, int], None]:
    """A progress function for `unpack` that tells `emit` now and then."""
    last_reported = time.monotonic()

    def progress(files: int, size: int) -> None:
        nonlocal last_reported
        now = time.monotonic()
        if emit and now - last_reported >= MIN_PROGRESS_INTERVAL_SECONDS:
            last_reported = now
            emit("unpacking", id=package_id, files=files, bytes=size)

    return progress
