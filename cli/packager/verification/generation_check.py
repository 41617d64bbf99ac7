"""Is the active generation still what was made? Its links and files, and the units on the host.

The links are compared with what the records of the packages publish; the files beside them, and the
unit files placed on the host, with the hashes that were written down when they were made.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from packager.base.digest import sha256
from packager.base.durable_files import ENTER, opened
from packager.base.errors import DataError, NotFound, PackagerError
from packager.generations.document import DOCUMENT, Generation, active_number, decode, is_whole
from packager.generations.link_tree import MODE, link_text, owner
from packager.generations.published_links import SOURCES, publish
from packager.host import applied_state, systemd_units
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.python_bytecode import SOURCE_SUFFIX, is_bytecode, source_directories
from packager.store import lock
from packager.store.installed import has_tree
from packager.store.manifest_records import read_record
from packager.store.store import is_at
from packager.store.tree_comparison import (
    CHANGED,
    FOREIGN,
    MISSING,
    Difference,
    unreadable_path,
)
from packager.store.write_session import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.generations.published_links import Published

FILE_MODE = 0o644


def check(root: str, *, quick: bool = False) -> tuple[int | None, list[Difference]] | None:
    """The number of the active generation, and what of it is not as it was made; None if nothing is
    active. Paths are relative to the generation, those of the host's files absolute; the number is
    None, and the path "", if `active` itself is damaged. quick: a tree that was not touched since
    it was made is believed. Takes no lock. Raises PackagerError.
    """
    root = os.path.abspath(root)  # noqa: PTH100
    with translated(root):
        while True:
            try:
                number = active_number(root)
            except (DataError, OSError) as error:
                return None, [Difference("", str(error))]
            if number is None:
                return None
            path = f"{root}/generations/{number}"
            try:
                tree = os.open(path, ENTER)
            except FileNotFoundError:
                if active_number(root) != number:
                    continue
                return number, [Difference("", f"{path} is missing", MISSING)]
            try:
                found = [*_tree(root, number, tree, quick=quick), *_host(root)]
                if not found or (is_at(path, tree) and active_number(root) == number):
                    return number, found
            finally:
                os.close(tree)


def _tree(root: str, number: int, tree: int, *, quick: bool) -> Iterator[Difference]:
    content = _read(DOCUMENT, tree)
    if content is None:
        yield Difference(DOCUMENT, "the file is missing", MISSING)
        return
    try:
        generation = decode(content, f"generations/{number}/{DOCUMENT}")
    except DataError as error:
        yield Difference(DOCUMENT, str(error))
        return
    whole = is_whole(content) and generation.number == number
    if not whole:
        yield Difference(DOCUMENT, "the content has changed")
    yield from _history(root, number, content)
    if quick and whole and all(has_tree(root, each) for each in generation.packages):
        from packager.generations.quick_check import is_generation_untouched

        if is_generation_untouched(generation, tree):
            return
    packages: list[Published] = []
    lost = set()  # names of packages of which nobody knows what they have published
    for name, package_id in generation.names.items():
        try:
            packages.append(publish(package_id, read_record(root, package_id)[1], generation.roles))
        except PackagerError as error:
            kind = MISSING if isinstance(error, NotFound) else CHANGED
            yield Difference(name, str(error), kind)
            lost.add(name)
            continue
        except PermissionError as error:
            yield unreadable_path(name, error)
            lost.add(name)
            continue
        if not has_tree(root, package_id):
            yield Difference(name, f"{root}/packages/{package_id} is no directory", MISSING)
    yield from _Walk(generation, packages, content, lost).differences(tree)


def _history(root: str, number: int, content: bytes) -> Iterator[Difference]:
    """Its place in history, which it may lack only until the next command."""
    place = f"{root}/history/{number}.json"
    with suppress(FileNotFoundError), open(place, "rb") as file:  # noqa: PTH123
        if file.read() != content:
            yield Difference(place, f"it is not the generation's own {DOCUMENT}")


class _Walk:
    """A tree of links, compared with what it was made of; what is found is struck off."""

    def __init__(
        self, generation: Generation, packages: list[Published], document: bytes, lost: set[str]
    ) -> None:
        self._lost = lost
        self._links = {each.name: f"../../packages/{each.id}" for each in packages}
        self._directories = {"", *SOURCES}
        for each in sorted(packages, key=lambda each: each.name):
            self._directories |= each.directories
            for path, source in each.links.items():  # of those that share a file, the first has it
                self._links.setdefault(path, link_text(path, each.name, source))
        self._sources = {path for path in self._links if path.endswith(SOURCE_SUFFIX)}
        self._source_directories = source_directories(self._sources)
        self._files: dict[str, str] = {**generation.files, DOCUMENT: sha256(document)}
        self._hidden: set[str] = set()  # directories that can't be looked into

    def differences(self, tree: int) -> Iterator[Difference]:
        self._directories.discard("")
        yield from self._directory(tree, "")
        for path in sorted(self._directories):  # parents first
            yield from self._missing(path, DIRECTORY)
            self._hidden.add(path)
        for path in sorted(self._links):
            yield from self._missing(path, LINK)
        for path in sorted(self._files):
            yield from self._missing(path, FILE)

    def _missing(self, path: str, kind: str) -> Iterator[Difference]:
        """It is missing; if its directory is, too, then that has been said."""
        if path.rpartition("/")[0] not in self._hidden:
            yield Difference(path, f"the {kind} is missing", MISSING)
        elif kind == DIRECTORY:
            self._hidden.add(path)

    def _directory(self, fd: int, path: str) -> Iterator[Difference]:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode != MODE:
            yield Difference(path, f"the mode is {mode:04o}, it was {MODE:04o}")
        with os.scandir(fd) as entries:
            found = sorted((entry.name, _kind(entry)) for entry in entries)
        for name, kind in found:
            place = f"{path}/{name}" if path else name
            with suppress(FileNotFoundError):  # else it is found to be missing
                yield from self._entry(fd, name, place, kind)

    def _entry(self, fd: int, name: str, place: str, kind: str) -> Iterator[Difference]:
        target = self._links.pop(place, None)
        content = self._files.pop(place, None)
        was = LINK if target is not None else FILE if content is not None else ""
        if place in self._directories:
            self._directories.discard(place)
            was = DIRECTORY
        shown = _shown(place)
        if not was and self._lost and (kind == DIRECTORY or self._is_of_lost(fd, name, place)):
            if kind == DIRECTORY:  # whose it is can't be told; what is in it can
                with opened(name, fd) as inner:
                    yield from self._directory(inner, place)
        elif not was and self._is_bytecode(fd, name, place, kind):
            if kind == DIRECTORY:
                with opened(name, fd) as inner:
                    yield from self._directory(inner, place)
        elif not was:
            yield Difference(shown, f"a {kind} that is not of the generation", FOREIGN)
        elif kind != was:
            if (kind, was) == (FILE, LINK) and self._is_bytecode(fd, name, place, kind):
                return  # Python has found the linked one to be that of another source
            yield Difference(shown, f"a {kind}, it was a {was}")
            self._hidden.add(place)
        elif kind == DIRECTORY:
            with opened(name, fd) as inner:
                yield from self._directory(inner, place)
        elif kind == LINK:
            now = _shown(os.readlink(name, dir_fd=fd))
            if now != target:
                yield Difference(shown, f"the link's target is {now!r}, it was {target!r}")
        else:
            mode = stat.S_IMODE(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
            if mode != FILE_MODE:
                yield Difference(shown, f"the mode is {mode:04o}, it was {FILE_MODE:04o}")
            if sha256(_read(name, fd) or b"") != content:
                yield Difference(shown, "the content has changed")

    def _is_bytecode(self, fd: int, name: str, place: str, kind: str) -> bool:
        mode = stat.S_IMODE(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
        return is_bytecode(place, kind, mode, self._sources, self._source_directories)

    def _is_of_lost(self, fd: int, name: str, place: str) -> bool:
        """Whether a link at the place leads to a package of which nothing is known."""
        try:
            target = os.readlink(name, dir_fd=fd)
        except OSError:
            return False
        return place in self._lost or owner(place, target) in self._lost


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return LINK
    if entry.is_dir(follow_symlinks=False):
        return DIRECTORY
    return FILE if entry.is_file(follow_symlinks=False) else "special file"


def _shown(path: str) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _host(root: str) -> Iterator[Difference]:
    """The unit files that were placed on the host, and the links that make the target want them."""
    if is_activating(root):
        return  # they are just being placed and removed
    try:
        state = applied_state.load(root)
    except DataError as error:
        yield Difference(f"{root}/{applied_state.NAME}", str(error))
        return
    for directory, placed in sorted(state["units"].items()):
        for name, told in sorted(placed.items()):
            if not told.get("sha256"):
                continue  # its placing was interrupted; the next activation goes on
            path = f"{directory}/{name}"
            if systemd_units.is_masked(directory, name):
                continue
            try:
                with open(path, "rb") as file:  # noqa: PTH123
                    content = file.read()
            except FileNotFoundError:
                yield Difference(path, "the unit file is missing", MISSING)
                continue
            except PermissionError as error:
                yield unreadable_path(path, error)
                continue
            if sha256(content) != told["sha256"]:
                yield Difference(path, "the content has changed")
            wants = f"{directory}/{systemd_units.WANTS}/{name}"
            is_wanted = not (told.get("static") or systemd_units.is_template(name))
            if is_wanted and not os.path.lexists(wants):
                yield Difference(wants, "the link is missing", MISSING)


def is_activating(root: str) -> bool:
    """Whether somebody holds the lock of activations: nobody can tell how unit files are then."""
    return lock.is_locked(f"{root}/{lock.ACTIVATION}")


def _read(name: str, parent: int) -> bytes | None:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    except OSError:
        return None
    with open(fd, "rb") as file:  # noqa: PTH123
        return file.read()
