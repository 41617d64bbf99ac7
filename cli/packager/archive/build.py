"""`build`: from a directory to an archive, the same bytes for the same tree.

Members are sorted, owners are 0, times are SOURCE_DATE_EPOCH (0 if unset), modes are those that
the store would give. The first member is pkgmanifest.json (see `manifest`); one that the directory
has already is left out. Whatever `add` would refuse is refused here, and unit files with which the
package could not become active.
"""

from __future__ import annotations

import hashlib
import os

from packager.archive import tar_writer
from packager.archive.compression import compressor
from packager.archive.directory_walk import READ, Found, walk
from packager.archive.limits import Limits
from packager.archive.member_rules import Tree
from packager.archive.tar_reader import SPECIAL_BITS, Refused
from packager.base.durable_files import ENTER
from packager.base.errors import ConfigError, DataError, NotFound, from_os_error
from packager.package.declarations import unit_flaws
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.manifest import (
    EMBEDDED,
    PKGINFO,
    Entry,
    Manifest,
    encode_embedded,
    stored_mode,
)
from packager.package.package_id import parse_id
from packager.package.pkginfo import parse_pkginfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from packager.base.events import Emit

PIECE_BYTES = 1 << 20  # bytes read at once
MAX_TAR_TIME = 8**11 - 1  # seconds; what a tar header's time can hold


class Built:
    """The archive that was written."""

    __slots__ = ("files", "id", "sha256", "size", "tree")

    def __init__(self, package_id: str, manifest: Manifest, sha256: str, size: int) -> None:
        self.id = package_id
        self.tree = manifest.tree  # hash of the packed tree, without pkgmanifest.json
        self.files = manifest.files
        self.sha256 = sha256  # of the archive
        self.size = size  # bytes of the archive


def build(
    directory: str,
    output: BinaryIO,
    *,
    package_id: str | None = None,
    compression: str = "xz",
    emit: Emit | None = None,
    limits: Limits | None = None,
) -> Built:
    """Write the archive of `directory` to `output`, which is not synced or closed.

    The id is `package_id`, else the directory's name. `compression` is a key of
    `compression.SUFFIXES`. Events: `warning` (message). Raises UsageError for the id, NotFound,
    DataError for what `add` would refuse or what changes meanwhile, ConfigError, and whatever
    `output.write` raises.
    """
    path = os.path.abspath(directory)  # noqa: PTH100 - pathlib is slow to import
    name = str(parse_id(path.rpartition("/")[2] if package_id is None else package_id))
    mtime = source_date()
    limits = limits or Limits()
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise NotFound(f"{directory}: there is no such directory") from None
    except OSError as error:
        raise from_os_error(error, path) from error
    try:
        manifest = survey(top, path, limits)
        _check_pkginfo(manifest, top, limits, emit)
        flaws = list(unit_flaws(manifest.entries))
        if flaws:
            raise DataError(f"{directory}: it could not become active: " + "\n".join(flaws))
        writer = _Writer(output, compression)
        for piece in archive(name, manifest, top, mtime):
            writer.write(piece)
        writer.finish()
    finally:
        os.close(top)
    return Built(name, manifest, writer.digest.hexdigest(), writer.size)


def source_date() -> int:
    """SOURCE_DATE_EPOCH in seconds, 0 if unset (reproducible-builds.org). Raises ConfigError."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "0")
    digits = text.lstrip("0")
    if (
        not text.isascii()
        or not text.isdigit()
        or len(digits) > 12
        or int(digits or 0) > MAX_TAR_TIME
    ):
        raise ConfigError(
            f"SOURCE_DATE_EPOCH={text[:40]}: a number of seconds is needed, {MAX_TAR_TIME} at most"
        )
    return int(digits or 0)


def survey(top: int, place: str, limits: Limits) -> Manifest:
    """The entries below the directory `top`, judged as `add` would. Raises DataError."""
    tree = Tree(limits)
    entries: list[Entry] = []
    try:
        for found in walk(top):
            if found.path == EMBEDDED:
                continue
            if len(entries) >= limits.members:
                raise DataError(f"{place}: more than {limits.members} files and directories")
            entries.append(_judge(found, tree))
        tree.check_links()
    except Refused as refused:
        raise DataError(f"{place}: {refused}") from None
    except OSError as error:
        raise from_os_error(error, place) from error
    if not entries:
        raise DataError(f"{place}: the directory is empty")
    manifest = Manifest(entries)
    if manifest.size > limits.total:
        raise DataError(f"{place}: more than {limits.total} bytes")
    return manifest


def archive(package_id: str, manifest: Manifest, top: int, mtime: int) -> Iterator[bytes]:
    """The tar stream, piece by piece. Raises DataError if the tree is not as it was surveyed."""
    embedded = encode_embedded(package_id, manifest)
    yield tar_writer.header(EMBEDDED, FILE, mode=0o644, size=len(embedded), target="", mtime=mtime)
    yield embedded + tar_writer.padding(len(embedded))
    yield from bare_archive(manifest, top, mtime)


def bare_archive(manifest: Manifest, top: int, mtime: int | None) -> Iterator[bytes]:
    """The same without the archive's own manifest: exactly the tree that was surveyed. mtime: None:
    each file's own."""
    for entry in manifest.entries:
        time = _time(entry, top) if mtime is None else mtime
        mode = 0o777 if entry.kind == LINK else entry.mode
        yield tar_writer.header(
            entry.path, entry.kind, mode=mode, size=entry.size, target=entry.target, mtime=time
        )
        if entry.kind == FILE:
            yield from _content(entry, top)
            yield tar_writer.padding(entry.size)
    yield tar_writer.END_OF_ARCHIVE


def _judge(found: Found, tree: Tree) -> Entry:
    shown = os.fsencode(found.path).decode(errors="backslashreplace")
    try:
        if found.kind not in (FILE, DIRECTORY, LINK):
            raise Refused(f"a {found.kind}; only files, directories and links are taken")
        for bit, word in SPECIAL_BITS:
            if found.mode & bit and found.kind != LINK:
                raise Refused(f"it is {word} (mode {found.mode:04o})")
        path = tree.admit(os.fsencode(found.path), found.kind)
        entry = found.entry(stored_mode(found.kind, found.mode))
        if found.kind == LINK:
            tree.admit_link(path, os.fsencode(entry.target))
    except Refused as refused:
        raise Refused(f"{shown!r}: {refused}") from None
    return entry


def _check_pkginfo(manifest: Manifest, top: int, limits: Limits, emit: Emit | None) -> None:
    for entry in manifest.entries:
        if entry.path == PKGINFO and entry.kind == FILE:
            if entry.size > limits.document:
                raise DataError(f"{PKGINFO}: {entry.size} bytes, {limits.document} allowed")
            _, warnings = parse_pkginfo(b"".join(_content(entry, top)))
            for message in warnings:
                if emit:
                    emit("warning", message=message)


def _time(entry: Entry, top: int) -> int:
    """When the file was changed, in seconds since 1970; 0 if a header has no place for it."""
    try:
        found = int(os.stat(entry.path, dir_fd=top, follow_symlinks=False).st_mtime)
    except OSError as error:
        raise from_os_error(error, entry.path) from error
    return found if 0 <= found <= MAX_TAR_TIME else 0


def _content(entry: Entry, top: int) -> Iterator[bytes]:
    """The file's bytes, which must be those that were surveyed."""
    fds = [top]
    *parents, name = entry.path.split("/")
    digest = hashlib.sha256()
    left = entry.size
    try:
        for parent in parents:
            fds.append(os.open(parent, ENTER, dir_fd=fds[-1]))
        fds.append(os.open(name, READ, dir_fd=fds[-1]))
        while piece := os.read(fds[-1], PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                break
            digest.update(piece)
            yield piece
    except OSError as error:
        raise from_os_error(error, entry.path) from error
    finally:
        for fd in fds[1:]:
            os.close(fd)
    if left or digest.hexdigest() != entry.sha256:
        raise DataError(f"{entry.path!r} changed while it was packed; try again")


class _Writer:
    """Compresses what is written, and knows size and hash of what came out."""

    def __init__(self, output: BinaryIO, compression: str) -> None:
        self._output = output
        self._compressor = compressor(compression)
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._put(self._compressor.compress(piece) if self._compressor else piece)

    def finish(self) -> None:
        if self._compressor:
            self._put(self._compressor.flush())

    def _put(self, content: bytes) -> None:
        self.digest.update(content)
        self.size += len(content)
        view = memoryview(content)
        while view:
            view = view[self._output.write(view) :]
