"""The store: packages are added, shown, verified and removed here, each in one atomic step.

    ROOT/packages/<id>/   the tree of an installed package, exactly as its archive has it
    ROOT/manifests/<id>   its record: every entry's hash, where it came from (see `manifest`)
    ROOT/staging/         one private directory a writer (see `staging`)
    ROOT/lock             held while something is published or taken away (see `lock`)

A package is installed if its directory is in packages/; that appears and disappears by one rename.
The order of the steps makes every interruption harmless, power loss included:

    add      unpack and write the record in staging, sync all; then, under the lock: rename the
             record into manifests/, sync that; rename the tree into packages/, sync that
    remove   under the lock: rename the tree into staging, sync packages/; delete the record
    repair   as add; then, under the lock: exchange the two trees by one rename, sync both places;
             the damaged tree goes with the staging directory

What somebody has put into a tree that goes, or changed there, is kept (see `kept_files`).
So a tree always has its record, and a record without a tree is the remains of an interruption. That
leaves a directory in staging/ too, always: the next writer finds it, deletes it, and only then
looks for records without trees. Readers do nothing of this and wait for nobody.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from packager.base import durable_files
from packager.base.debug_log import debug
from packager.base.errors import ConfigError, Conflict, DataError, NotFound
from packager.package.package_id import parse_id
from packager.store import lock
from packager.store.installed import installed_ids
from packager.store.manifest_records import is_private, missing, read_record
from packager.store.translation import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from packager.archive.limits import Limits
    from packager.base.events import Emit
    from packager.package.manifest import Record
    from packager.store.difference import Difference
    from packager.store.write_session import Session


class Added:
    """What `add` did. `changed` is false if the same content was there before."""

    __slots__ = ("changed", "files", "id", "sha256", "size", "tree")

    def __init__(self, record: Record, changed: bool) -> None:
        self.id = record.id
        self.changed = changed
        self.files = record.files
        self.size = record.size  # bytes of all files
        self.sha256 = record.archive_sha256  # of the archive given now
        self.tree = record.tree


class Verified:
    """What `verify` found of one package; `record` is None if the record itself is damaged."""

    __slots__ = ("differences", "id", "record")

    def __init__(self, name: str, record: Record | None, found: list[Difference]) -> None:
        self.id = name
        self.record = record
        self.differences = found


class Store:
    """The store at `root`. Writers make what is missing of it; readers change nothing.

    All methods raise PackagerError only: errno is translated in one place.
    """

    def __init__(
        self, root: str, *, lock_wait: float = lock.DEFAULT_WAIT, limits: Limits | None = None
    ) -> None:
        try:
            self.root = os.path.abspath(root)  # noqa: PTH100 - pathlib is slow to import
        except FileNotFoundError:
            raise ConfigError(f"{root}: the current directory is gone; go to another") from None
        self._lock_wait = lock_wait  # seconds
        self._limits = limits

    def add(
        self,
        source: BinaryIO,
        *,
        package_id: str | None = None,
        name_hint: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
        private: bool = False,
        emit: Emit | None = None,
    ) -> Added:
        """Install the archive that `source.read(n)` gives; it need not be seekable.

        The id is `package_id`, else what `name_hint` (a file name, the last part of a URL) says,
        else what the archive itself says. `sha256` (hex) and `size` (bytes) are the archive's own.
        `private`: the record is for its owner only: hashes of short secrets can be guessed.
        Events: `unpacking` (id, files, bytes) now and then, `warning` (message).

        Raises UsageError for an id that is missing or wrong, DataError for the archive, Conflict
        if the id is taken by other content, Temporary if the lock stays held.
        """
        from packager.archive.limits import Limits
        from packager.store.incoming_archive import receive
        from packager.store.publication import publish

        expected_id = id_of(package_id, name_hint)
        with self._writing(emit=emit) as session:
            session.refuse_split_store()
            incoming = receive(
                *(source, session.mine.fd, self._limits or Limits(), expected_id),
                sha256=sha256,
                size=size,
                emit=emit,
            )
            record = incoming.record
            if self._is_installed(record):
                return Added(record, changed=False)
            mode = 0o600 if private else 0o644
            incoming.seal(mode, newest_generation(self.root))
            with session.locked():
                if self._is_installed(record):  # by another command, meanwhile
                    return Added(record, changed=False)
                incoming.renumber(mode, newest_generation(self.root))
                publish(record.id, session.root_fd, session.mine.fd)
        return Added(record, changed=True)

    def repair(
        self,
        package_id: str,
        source: BinaryIO,
        *,
        sha256: str | None = None,
        size: int | None = None,
        private: bool = False,
        discard: bool = False,
        emit: Emit | None = None,
    ) -> None:
        """Give an installed package the tree that the archive `source` has, in the place of its
        own, which somebody has changed or taken away. What leads to the package was not changed.

        The archive must have the tree that the record tells of; if the record itself is damaged,
        `sha256` must vouch for it. discard: do not keep what differs in the old tree. Event, beside
        those of `add`: `kept` (of, path, place). Raises NotFound, DataError, as `add` for the
        archive, and InputOutputError on file systems that can't exchange directories.
        """
        from packager.archive.limits import Limits
        from packager.store.incoming_archive import receive
        from packager.store.publication import renew

        name = str(parse_id(package_id))
        with self._writing(make=False, discard=discard, emit=emit) as session:
            session.refuse_mounts([name])  # before much is read for nothing
            session.refuse_split_store()
            incoming = receive(
                *(source, session.mine.fd, self._limits or Limits(), name),
                sha256=sha256,
                size=size,
                emit=emit,
            )
            mode = 0o600 if private else _mode(f"{self.root}/manifests/{name}")
            incoming.seal(mode, newest_generation(self.root))
            with session.locked():
                places = (f"{self.root}/packages/{name}", f"{self.root}/manifests/{name}")
                if not any(map(os.path.lexists, places)):
                    raise missing(self.root, name)
                known = self._intact_record(name)
                if known is not None and known.tree != incoming.record.tree:
                    raise DataError(
                        f"this archive is not the {name} that was added, whose SHA-256 was "
                        f"{known.archive_sha256}; the package was not changed"
                    )
                if known is None and sha256 is None:
                    raise DataError(
                        f"the record of {name} is damaged, so it is unknown whether this archive "
                        "is the one that was added; if it is, give its SHA-256"
                    )
                session.refuse_mounts([name])
                incoming.renumber(mode, newest_generation(self.root))
                renew(name, session.root_fd, session.mine.fd, record=known is None)

    def _intact_record(self, name: str) -> Record | None:
        try:
            return read_record(self.root, name)[0]
        except DataError:
            return None

    def remove(self, package_id: str, *, discard: bool = False, emit: Emit | None = None) -> None:
        """Take the package away. discard: do not keep what somebody has put into its tree, or
        changed there. Event: `kept` (of, path, place). Raises NotFound if it is not there,
        Conflict if a generation needs it, ConfigError if something is mounted in it, Temporary,
        UsageError; Denied or InputOutputError if it is removed, but not all of its files could be
        deleted."""
        name = str(parse_id(package_id))
        with (
            self._writing(make=False, discard=discard, emit=emit) as session,
            session.locked(),
        ):
            session.raises = True
            if not os.path.lexists(f"{self.root}/packages/{name}"):
                raise missing(self.root, name)
            refuse_needed(self.root, name)
            session.refuse_mounts([name])
            session.trees.drop_spare(session.mine.fd, [name])
            session.take_away(name)
        session.raise_undeleted(f"{name} was removed")

    def show(self, package_id: str) -> Record:
        """What is known of an installed package. Raises NotFound, DataError, UsageError."""
        return self.record(package_id)[0]

    def is_private(self, package_id: str) -> bool:
        """Whether sizes and hashes of the package are for its owner only. Raises PackagerError."""
        with translated(self.root):
            return is_private(self.root, str(parse_id(package_id)))

    def record(self, package_id: str) -> tuple[Record, bytes]:
        """The record of an installed package and the JSON array of its entries, not parsed."""
        name = str(parse_id(package_id))
        with translated(self.root):
            if not os.path.lexists(f"{self.root}/packages/{name}"):
                raise missing(self.root, name)
            return read_record(self.root, name)

    def verify(self, ids: Iterable[str] = (), emit: Emit | None = None) -> list[Verified]:
        """Compare packages, all installed ones if `ids` is empty, with what was added.

        Event: `verified` (id, ok, differences) after each. Raises NotFound, UsageError.
        """
        asked = [str(parse_id(package_id)) for package_id in ids]
        results = []
        for name in asked or installed_ids(self.root):
            try:
                verified = self.verify_package(name)
            except NotFound:
                if asked:
                    raise
                continue  # removed since the listing
            results.append(verified)
            if emit:
                count = len(verified.differences)
                emit("verified", id=verified.id, ok=not count, differences=count)
        return results

    def is_unchanged(self, name: str, *, quick: bool) -> bool:
        """Whether the package `name`, an id, is what was added: yes, or no without a reason, which
        `verify_package` finds. quick: no file is read, times tell."""
        try:
            top = os.open(f"{self.root}/packages/{name}", durable_files.ENTER)
            try:
                record, entries = read_record(self.root, name)
                if quick:
                    from packager.store.quick_check import is_package_untouched

                    since = _written(f"{self.root}/manifests/{name}")
                    return is_package_untouched(record, entries, top, since)
                from packager.store.content_check import is_package_unchanged

                return is_package_unchanged(record, entries, top)
            finally:
                os.close(top)
        except (OSError, DataError, NotFound):
            return False

    def verify_package(
        self, name: str, part: int = 0, parts: int = 1, *, quick: bool = False
    ) -> Verified:
        """Compare the installed package `name`, an id, with what was added; or one of the `parts`
        parts in which this can be done at the same time. quick: files that were not touched since
        the record was written are not read. Raises NotFound."""
        from packager.store.difference import Difference
        from packager.store.tree_comparison import differences

        path = f"{self.root}/packages/{name}"
        with translated(self.root):
            try:
                top = os.open(path, durable_files.ENTER)
            except FileNotFoundError:
                raise missing(self.root, name) from None
            except PermissionError as error:
                return _unread(name, error, part)
            try:
                record, entries = read_record(self.root, name)
                since = _written(f"{self.root}/manifests/{name}") if quick else None
                debug(lambda: f"verify {name}: its files are compared one by one")
                found = list(differences(record, entries, top, part, parts, since=since))
                if found and is_private(self.root, name):
                    found = [each.without_sizes() for each in found]
                replaced = found and not is_at(path, top)
            except PermissionError as error:
                return _unread(name, error, part)
            except DataError as error:
                record, found = None, [Difference("", str(error))] if part == 0 else []
                replaced = not is_at(path, top)
            finally:
                os.close(top)
        if replaced:
            return self.verify_package(name, part, parts, quick=quick)
        return Verified(name, record, found)

    def recover(self) -> None:
        """Clean up after killed commands; every writing command does this first."""
        with self._writing():
            pass

    @contextmanager
    def staging(self) -> Iterator[str]:
        """A private directory on the store's file system; removed with all it holds at the end of
        the block, or by a later command if this process is killed."""
        with self._writing() as session:
            session.refuse_split_store()
            yield f"{self.root}/staging/{session.mine.name}"

    def _writing(
        self,
        *,
        make: bool = True,
        discard: bool = False,
        emit: Emit | None = None,
    ) -> AbstractContextManager[Session]:
        from packager.store.write_session import writing

        return writing(self.root, lock_wait=self._lock_wait, make=make, discard=discard, emit=emit)

    def _is_installed(self, record: Record) -> bool:
        """Whether this very package is there. Raises Conflict if another one has its id."""
        if not os.path.lexists(f"{self.root}/packages/{record.id}"):
            return False
        try:
            installed, _ = read_record(self.root, record.id)
        except NotFound:  # removed meanwhile
            return False
        if installed.tree == record.tree:
            return True
        raise Conflict(
            f"{record.id} is installed with different content and was not changed; "
            "remove it first, or give the new package another version"
        )


def _unread(name: str, error: OSError, part: int) -> Verified:
    """What is said of a package whose tree or record may not be read by this user."""
    from packager.store.difference import unreadable_path

    return Verified(name, None, [unreadable_path("", error)] if part == 0 else [])


def is_at(path: str, fd: int) -> bool:
    """Whether the open directory `fd` is still the one at `path`. Raises OSError."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def id_of(package_id: str | None, name_hint: str | None) -> str | None:
    """The id that the caller asks for, if any. Raises UsageError for one that is not an id."""
    if package_id is not None:
        return str(parse_id(package_id))
    if name_hint is None:
        return None
    from packager.archive.compression import NAMED_SUFFIXES

    for suffix in NAMED_SUFFIXES:
        if name_hint.endswith(suffix):
            return str(parse_id(name_hint[: -len(suffix)]))
    return None


def newest_generation(root: str) -> int | None:
    """The highest number of a generation that is known, 0 if there is none; None: what is active
    is damaged. Whoever holds ROOT/lock knows that none is being made. Raises OSError."""
    from packager.generations.document import kept_numbers

    try:
        return max(kept_numbers(root), default=0)
    except DataError:
        return None


def refuse_needed(root: str, package_id: str) -> None:
    """Raise Conflict if a generation needs the package, or this process. The caller holds
    ROOT/lock."""
    from packager.generations.document import active_number, users_of
    from packager.store.own_package import own_package

    if package_id == own_package(root):
        raise Conflict(
            f"{package_id} is what this command runs from: another version's 'packager remove', or "
            "'packager gc', removes it"
        )
    needed = users_of(root, package_id)
    if not needed:
        return
    if active_number(root) in needed:
        raise Conflict(
            f"{package_id} is active (generation {active_number(root)}); "
            "deactivate it, or swap another version in, before it is removed"
        )
    numbers = ", ".join(map(str, needed))
    raise Conflict(
        f"{package_id} is needed to go back to generation{'s'[: len(needed) - 1]} {numbers}; "
        "'packager gc' forgets old generations"
    )


def _written(path: str) -> int:
    """When the file at `path` was written, in ns since 1970."""
    return os.stat(path, follow_symlinks=False).st_mtime_ns  # noqa: PTH116


def _mode(path: str) -> int:
    """The permissions of the file at `path`; those of a record if it is not there."""
    try:
        return os.stat(path, follow_symlinks=False).st_mode & 0o777  # noqa: PTH116
    except FileNotFoundError:
        return 0o644
