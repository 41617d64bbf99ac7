"""The tree of links of a generation, entry by entry: is it what its packages publish?"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from packager.base.digest import sha256
from packager.base.durable_files import content_of, opened
from packager.generations.document import DOCUMENT
from packager.generations.link_tree import link_text, owner
from packager.generations.tree_layout import MODE, SOURCES
from packager.package.entry_kinds import DIRECTORY, FILE, LINK
from packager.package.python_bytecode import SOURCE_SUFFIX, is_bytecode, source_directories
from packager.store.difference import FOREIGN, MISSING, Difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.generations.document import Generation
    from packager.generations.published_links import Published

FILE_MODE = 0o644


class LinkTreeComparison:
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
        """What differs in the directory `tree`. Raises OSError."""
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
            if sha256(content_of(name, fd) or b"") != content:
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
