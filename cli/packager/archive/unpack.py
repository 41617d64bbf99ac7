"""From a tar stream to a directory of files, judged member by member, hashed on the way.

The directory is private and fresh. Files and directories are made as they come, relative to
descriptors of their parents and never through a link; symbolic links are made last, when no more
is written. Owners and extended attributes of the archive are not taken over. The times of files
are: bytecode of Python in the package is that of a source with this very time.
"""

from __future__ import annotations

import hashlib
import os
import time

from packager.archive.member_rules import Tree
from packager.archive.tar_reader import HARD_LINK, Member, Refused, TarReader
from packager.base.byte_output import write_all
from packager.base.durable_files import ENTER
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.manifest import (
    DEFAULT_DIRECTORY_MODE,
    EMBEDDED,
    PKGINFO,
    Entry,
    Manifest,
    check_embedded,
    stored_mode,
)
from packager.package.pkginfo import parse_pkginfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from packager.archive.limits import Limits

MAX_SMALL_FILE_BYTES = (
    256 << 10
)  # bytes; a file up to here is read, hashed and written in one piece
WRITE_BACK_SECONDS = 0.25  # seconds of writing before the kernel is asked to begin with the device
MAX_OPEN_DIRECTORIES = 64  # descriptors kept
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# 1980-01-01. Builds that are reproducible give all files one time before this: with it, Python
# would take the bytecode of one version's source for that of the next, and zip refuses it.
FIRST_TIME = 315532800
DOCUMENTS = (PKGINFO, EMBEDDED)


class Unpacked:
    """What came out: the manifest of the tree, its pkginfo, the id the archive names if any."""

    __slots__ = ("manifest", "named_id", "pkginfo", "warnings")

    def __init__(
        self,
        manifest: Manifest,
        pkginfo: dict[str, object] | None,
        warnings: list[str],
        named_id: str | None,
    ) -> None:
        self.manifest = manifest
        self.pkginfo = pkginfo
        self.warnings = warnings
        self.named_id = named_id


def unpack(
    reader: TarReader, fd: int, limits: Limits, progress: Callable[[int, int], None]
) -> Unpacked:
    """Unpack the archive into the empty directory `fd`; nothing is synced.

    `progress(files, bytes)` is called after each file. Raises Refused (`reader.current` is the
    member meant), DataError about the package's own documents, OSError.
    """
    work = _Unpacking(reader, fd, limits)
    try:
        for member in reader.members():
            work.take(member)
            progress(work.files, work.size)
        work.tree.check_links()
        work.make_links()
    finally:
        work.close()
    if not work.entries:
        raise Refused("the archive contains no file")
    manifest = Manifest(work.all_entries())
    pkginfo: dict[str, object] | None = None
    warnings: list[str] = []
    if PKGINFO in work.documents:
        pkginfo, warnings = parse_pkginfo(work.documents[PKGINFO])
    named_id = None
    if EMBEDDED in work.documents:
        named_id = check_embedded(work.documents[EMBEDDED], manifest.entries)
    return Unpacked(manifest, pkginfo, warnings, named_id)


class _Unpacking:
    def __init__(self, reader: TarReader, fd: int, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        self._top = fd
        self._directories: dict[str, int] = {"": fd}
        self._made = {""}  # directories, told of by the archive or only implied
        self._modes_hold = False  # becomes true if the first thing made got the mode asked for
        self.tree = Tree(limits)
        self.entries: dict[str, Entry] = {}
        self.documents: dict[str, bytes] = {}
        self.files = 0
        self.size = 0

    def take(self, member: Member) -> None:
        # Judged before the link's own path is known, else it could be its own target.
        shared = self.tree.admit_hard_link(member.target) if member.kind == HARD_LINK else ""
        path = self.tree.admit(member.name, member.kind)
        if not path:
            return  # the top's own entry; the store decides about that directory
        if member.kind == FILE:
            self._file(path, member)
        elif member.kind == DIRECTORY:
            self._directory(path, stored_mode(DIRECTORY, member.mode))
        elif member.kind == HARD_LINK:
            self._hard_link(path, shared)
        else:
            target = self.tree.admit_link(path, member.target)
            self.entries[path] = Entry(path, LINK, target=target)

    def make_links(self) -> None:
        for path, target in self.tree.targets.items():
            name, parent = self._place(path)
            os.symlink(target, name, dir_fd=parent)

    def all_entries(self) -> list[Entry]:
        implied = [
            Entry(path, DIRECTORY, mode=DEFAULT_DIRECTORY_MODE)
            for path in self._made
            if path and path not in self.entries
        ]
        return [*self.entries.values(), *implied]

    def close(self) -> None:
        for fd in self._directories.values():
            if fd != self._top:
                os.close(fd)
        self._directories = {}

    def _file(self, path: str, member: Member) -> None:
        mode = stored_mode(FILE, member.mode)
        name, parent = self._place(path)
        if path in DOCUMENTS and member.size > self._limits.document:
            raise Refused(f"{member.size} bytes, {self._limits.document} allowed")
        fd = os.open(name, CREATE, mode, dir_fd=parent)
        try:
            if not self._modes_hold:
                self._set_mode(fd, mode)
            if member.size <= MAX_SMALL_FILE_BYTES or path in DOCUMENTS:
                content = self._reader.whole()
                write_all(fd, content)
                sha256 = hashlib.sha256(content).hexdigest()
                if path in DOCUMENTS:
                    self.documents[path] = content
            else:
                sha256 = self._large(fd)
            if member.mtime >= FIRST_TIME:
                os.utime(fd, (member.mtime, member.mtime))
        finally:
            os.close(fd)
        self.entries[path] = Entry(path, FILE, mode=mode, size=member.size, sha256=sha256)
        self.files += 1
        self.size += member.size

    def _large(self, fd: int) -> str:
        digest = hashlib.sha256()
        written = begun = 0
        asked = time.monotonic()
        while piece := self._reader.data():
            write_all(fd, piece)
            digest.update(piece)
            written += len(piece)
            if time.monotonic() - asked >= WRITE_BACK_SECONDS:
                # Linux begins to write such pages at once, so that the final sync finds little
                # left to do, even on a slow device.
                os.posix_fadvise(fd, begun, written - begun, os.POSIX_FADV_DONTNEED)
                begun, asked = written, time.monotonic()
        return digest.hexdigest()

    def _hard_link(self, path: str, target: str) -> None:
        name, parent = self._place(path)
        source, source_parent = self._place(target)
        os.link(source, name, src_dir_fd=source_parent, dst_dir_fd=parent, follow_symlinks=False)
        original = self.entries[target]
        self.entries[path] = Entry(
            path, FILE, mode=original.mode, size=original.size, sha256=original.sha256
        )
        self.files += 1

    def _directory(self, path: str, mode: int) -> None:
        name, parent = self._place(path)
        if path not in self._made:
            self._make_directory(name, parent, path, mode)
        elif mode != DEFAULT_DIRECTORY_MODE:
            os.chmod(name, mode, dir_fd=parent)  # implied by a path before
        self.entries[path] = Entry(path, DIRECTORY, mode=mode)

    def _make_directory(self, name: str, parent: int, path: str, mode: int) -> None:
        os.mkdir(name, mode, dir_fd=parent)
        self._made.add(path)
        if not self._modes_hold:
            fd = os.open(name, ENTER, dir_fd=parent)
            try:
                self._set_mode(fd, mode)
            finally:
                os.close(fd)

    def _set_mode(self, fd: int, mode: int) -> None:
        """A umask, a default ACL or a setgid parent gives other modes than asked for. If they
        left one alone that has all the bits there can be, they leave all others alone too."""
        if os.fstat(fd).st_mode & 0o7777 != mode:
            os.fchmod(fd, mode)
        elif mode == 0o755:
            self._modes_hold = True

    def _place(self, path: str) -> tuple[str, int]:
        """The last name of `path` and a descriptor of its directory, made if only implied."""
        parent, _, name = path.rpartition("/")
        fd = self._directories.get(parent)
        return name, self._enter(parent) if fd is None else fd

    def _enter(self, path: str) -> int:
        name, parent = self._place(path)
        if path not in self._made:
            self._make_directory(name, parent, path, DEFAULT_DIRECTORY_MODE)
        fd = os.open(name, ENTER, dir_fd=parent)
        if len(self._directories) > MAX_OPEN_DIRECTORIES:
            oldest = next(known for known in self._directories if known)
            os.close(self._directories.pop(oldest))
        self._directories[path] = fd
        return fd
