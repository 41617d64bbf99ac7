"""Which paths two packages can't both have. Pure, but for an index that is asked about paths.

Packages that stay active are not read: the tree of the active generation tells who owns a path. The
cost is that of the packages that come and go.
"""

from __future__ import annotations

from packager.package.package_id import split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Protocol

    from packager.generations.published_links import Published

    IsSame = Callable[[str, str, str], bool]  # of a path and the ids of two packages that have it
else:
    Protocol = object  # importing typing takes longer than all that is done here

DIRECTORY = ""  # what an index calls a directory; no package has an empty name


class Index(Protocol):
    """The tree of the active generation. Paths are asked for only if their parent is a directory
    there, so that no lookup ever passes through a link."""

    def look(self, path: str) -> str | None:
        """The name of the package that the link at `path` is of, DIRECTORY, or None: nothing."""

    def list(self, path: str) -> Iterable[str]:
        """The names in the directory at `path`."""


class Nothing:
    """The index when nothing is active."""

    def look(self, path: str) -> str | None:  # noqa: ARG002
        return None

    def list(self, path: str) -> Iterable[str]:  # noqa: ARG002
        return ()


def clashes(
    leaving: Sequence[Published],
    entering: Sequence[Published],
    index: Index,
    staying: Mapping[str, Iterable[str]],
    is_same: IsSame,
) -> tuple[list[str], bool]:
    """Why `entering` can't be published while `leaving` goes, one sentence each; and whether some
    packages share a file: `is_same` says that what both have at a path is the same.

    staying: the ids of the packages that stay active, with their directories that hold no link (the
    tree doesn't tell whose those are).
    """
    finder = _Finder(leaving, index, staying, is_same)
    for each in entering:
        finder.enter(each)
    return finder.found, finder.shares


class _Finder:
    def __init__(
        self,
        leaving: Sequence[Published],
        index: Index,
        staying: Mapping[str, Iterable[str]],
        is_same: IsSame,
    ) -> None:
        self.found: list[str] = []
        self.shares = False
        self._is_same = is_same
        self._index = index
        self._leaving = {path for each in leaving for path in each.links}
        self._links: dict[str, Published] = {}  # of the packages entered so far
        self._directories: dict[str, Published] = {}
        self._ids = {split_id(each)[0]: each for each in staying}
        self._empty = {path: each for each, paths in staying.items() for path in paths}
        self._looked: dict[str, str | None] = {}

    def enter(self, package: Published) -> None:
        blocked: set[str] = set()
        for path in sorted(package.directories):  # parents first
            if path.rpartition("/")[0] in blocked:
                blocked.add(path)
                continue
            other = self._links.get(path)
            owner = other.id if other is not None else self._staying_link(path)
            if owner is not None:
                blocked.add(path)
                self.found.append(
                    f"{path!r} is a directory in {package.id} and a file or a link in {owner}"
                )
        for path, source in package.links.items():
            if path.rpartition("/")[0] in blocked:
                continue
            if path in self._links:
                self._same(path, package.id, self._links[path].id)
                continue
            owner = self._staying_link(path)
            if owner is not None:
                self._same(path, package.id, owner)
            else:
                holder = self._staying_directory(path)
                if holder is not None:
                    self.found.append(
                        f"{path!r} is a file or a link in {package.id} ({source}) and a directory "
                        f"in {holder}"
                    )
        self._directories.update((p, package) for p in package.directories if p not in blocked)
        self._links.update((p, package) for p in package.links if p not in self._links)

    def _same(self, path: str, one: str, other: str) -> None:
        if self._is_same(path, one, other):
            self.shares = True
            return
        first, second = sorted((one, other))
        self.found.append(f"{path!r} is in both {first} and {second}")

    def _staying_link(self, path: str) -> str | None:
        """The id of the staying package whose link is at `path`."""
        if path in self._leaving:
            return None
        name = self._look(path)
        return self._ids.get(name, name) if name else None

    def _staying_directory(self, path: str) -> str | None:
        """Who has a directory at `path`, of the packages that stay and that entered before."""
        entered = self._directories.get(path)
        if entered is not None:
            return entered.id
        if path in self._empty:
            return self._empty[path]
        if self._look(path) != DIRECTORY:
            return None
        for name in self._index.list(path):
            child = f"{path}/{name}"
            owner = self._staying_link(child) or self._staying_directory(child)
            if owner is not None:
                return owner
        return None

    def _look(self, path: str) -> str | None:
        """What the index has at `path`; nothing below what is not a directory there."""
        if path in self._looked:
            return self._looked[path]
        parent = path.rpartition("/")[0]
        found = None
        if not parent or self._look(parent) == DIRECTORY:
            found = self._index.look(path)
        self._looked[path] = found
        return found
