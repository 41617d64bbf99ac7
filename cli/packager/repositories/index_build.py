"""`index`: from a directory of archives to the index of a repository (see `index_format`).

Every archive is unpacked, for a moment and out of the way, by the rules of `add`: what is in the
index can be added. What was found is remembered beside the index, with the file's size, times and
inode, so that an archive which has not changed is not read again. The index appears by one rename,
or, if one archive is broken, not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
import time
from contextlib import contextmanager
from typing import BinaryIO, cast

from packager.archive.archive_reader import ArchiveReader
from packager.archive.compression import NAMED_SUFFIXES
from packager.archive.limits import Limits
from packager.archive.tar_reader import Refused, TarReader
from packager.archive.unpack import unpack
from packager.base.durable_files import replace_file
from packager.base.errors import (
    ConfigError,
    DataError,
    NotFound,
    PackagerError,
    Temporary,
    from_os_error,
)
from packager.package.package_id import flaw
from packager.repositories import index_format
from packager.repositories.index_format import FILE_NAME, Package
from packager.store.incoming_archive import check_archive, make_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.base.events import Emit

    Signature = list[int]  # size, mtime and ctime (ns), inode: another file has another

CACHE = ".index-cache.json"
CACHE_VERSION = 1
METADATA = "metadata"  # the directory of the signed metadata (see `tuf_signing`): no archives there
MIN_AGE_SECONDS = 2.0  # seconds; a file changed more recently may change again unseen


class Indexed:
    """What an index has become. read: archives that had to be read, the others were known."""

    __slots__ = ("changed", "content", "packages", "read")

    def __init__(self, content: bytes, packages: int, read: int, changed: bool) -> None:
        self.content = content
        self.packages = packages
        self.read = read
        self.changed = changed  # whether the file on the disk is another now


class Broken(DataError):
    """Archives that can't be in an index; `reasons` has one sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        super().__init__(f"{reasons[0]}{more}; the index stays as it was")
        self.reasons = reasons


@contextmanager
def opened(directory: str) -> Iterator[int]:
    """A descriptor of the repository's directory, locked against other writers of it.

    Raises NotFound, Temporary, PackagerError for what the system says.
    """
    try:
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise NotFound(f"{directory}: there is no such directory") from None
    except OSError as error:
        raise from_os_error(error, directory) from error
    try:
        try:
            fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Temporary(
                f"{directory}: another command is writing its index; try again"
            ) from None
        yield top
    except OSError as error:
        raise from_os_error(error, directory) from error
    finally:
        os.close(top)


def is_signed(top: int) -> bool:
    """Whether the repository in the directory `top` has a signed index. Raises OSError."""
    try:
        os.stat(f"{METADATA}/timestamp.json", dir_fd=top, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def index(top: int, emit: Emit, limits: Limits | None = None) -> Indexed:
    """Write the index of the directory `top` (see `opened`) if it has changed.

    Events: indexing (path, number, total) before each archive that is read; warning (message);
    broken (path, reason). Raises Broken after all archives were looked at, OSError.
    """
    limits = limits or Limits()
    known = _known(top)
    now = time.time()
    reasons: list[str] = []
    paths = sorted(_archives(top, "", reasons))
    packages: dict[str, Package] = {}
    remembered: dict[str, tuple[Signature, Package]] = {}
    read = 0
    for number, path in enumerate(paths, 1):
        try:
            signature = _signature(os.stat(path, dir_fd=top))
            found = known.get(path)
            if found is None or found[0] != signature:
                emit("indexing", path=path, number=number, total=len(paths))
                package = _read(top, path, limits, emit)
                read += 1
                if _signature(os.stat(path, dir_fd=top)) != signature:
                    raise DataError("it changed while it was read; try again")
            else:
                package = found[1]
        except (PackagerError, OSError) as error:
            reason = str(error if isinstance(error, PackagerError) else error.strerror)
            reasons.append(f"{path}: {reason}")
            continue
        if package.id in packages:
            reasons.append(f"{path}: {packages[package.id].path} is {package.id} too")
            continue
        packages[package.id] = package
        if max(signature[1:3]) < (now - MIN_AGE_SECONDS) * 1e9:
            remembered[path] = (signature, package)
    if remembered != known:
        replace_file(CACHE, top, _encode(remembered))
    if reasons:
        for reason in reasons:
            path, _, why = reason.partition(": ")
            emit("broken", path=path, reason=why)
        raise Broken(reasons)
    content = index_format.encode(packages.values())
    if index_format.excess(content) or len(packages) > index_format.MAX_PACKAGES:
        raise ConfigError(
            f"the index would have {len(content)} bytes for {len(packages)} packages, more than "
            "any packager reads; divide the repository"
        )
    return Indexed(content, len(packages), read, replace_file(FILE_NAME, top, content))


def _archives(parent: int, prefix: str, reasons: list[str]) -> Iterator[str]:
    """The paths of the archives below `parent`. Hidden files and directories are
    ignored; links to directories are not followed, those to files are files."""
    with os.scandir(parent) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if name.startswith(".") or (not prefix and name == METADATA):
            continue
        path = prefix + name
        if is_directory:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                yield from _archives(fd, path + "/", reasons)
            finally:
                os.close(fd)
        elif name.endswith(NAMED_SUFFIXES):
            reason = index_format.path_flaw(path) or flaw(_id(path))
            if reason is None:
                yield path
            else:
                shown = os.fsencode(path).decode(errors="backslashreplace")
                reasons.append(f"{shown}: its name is not a package id: {reason}")


def _id(path: str) -> str:
    name = path.rpartition("/")[2]
    return next(name[: -len(suffix)] for suffix in NAMED_SUFFIXES if name.endswith(suffix))


def _read(top: int, path: str, limits: Limits, emit: Emit) -> Package:
    """What the archive is, by reading it all. Raises PackagerError, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=top)
    with open(fd, "rb", buffering=0) as file, tempfile.TemporaryDirectory() as scratch:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise DataError("it is not a file")
        archive = ArchiveReader(cast(BinaryIO, file), limits)
        reader = TarReader(archive.read, limits)
        into = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        try:
            unpacked = unpack(reader, into, limits, _unheard)
        except Refused as refused:
            member = "" if reader.current is None else reader.current.decode(errors="replace")
            raise DataError(f"{member!r}: {refused}" if member else str(refused)) from None
        finally:
            archive.close()
            os.close(into)
        check_archive(archive, None, os.fstat(fd).st_size)
        record = make_record(_id(path), unpacked, archive)
    for message in unpacked.warnings:
        emit("warning", message=f"{path}: {message}")
    return Package(
        record.id,
        path,
        size=record.archive_size,
        sha256=record.archive_sha256,
        tree=record.tree,
        pkginfo=record.pkginfo,
    )


def _unheard(files: int, size: int) -> None:
    """Unpacking goes unheard here: it is the archives that are counted."""


def _signature(status: os.stat_result) -> Signature:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _known(top: int) -> dict[str, tuple[Signature, Package]]:
    """What is remembered. Anything wrong with it costs nothing but time."""
    try:
        fd = os.open(CACHE, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=top)
        with open(fd, "rb") as file:  # noqa: PTH123
            document = json.load(file)
        if document["cache"] != CACHE_VERSION:
            return {}
        listed = {"index": index_format.VERSION, "packages": document["packages"]}
        packages = index_format.decode(json.dumps(listed).encode())
        signatures = document["signatures"]
        return {each.path: (signatures[each.path], each) for each in packages.values()}
    except (OSError, ValueError, LookupError, TypeError, RecursionError, DataError):
        return {}


def _encode(remembered: dict[str, tuple[Signature, Package]]) -> bytes:
    document = {
        "cache": CACHE_VERSION,
        "signatures": {path: signature for path, (signature, _) in remembered.items()},
        "packages": [package.document() for _, package in remembered.values()],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
