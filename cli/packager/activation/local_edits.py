"""Configuration that somebody has edited, and that is no longer in use once a set becomes active.

People edit what they find under ROOT/active/etc. An editor that writes the file changes it in its
package; one that writes a new file and renames it puts a file in the place of the link. The first
stays in the package for as long as that does, the second goes with the tree of links; both are told
before, and kept in the end (see `store.kept_files`).
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from packager.base.durable_files import ENTER
from packager.generations.foreign_files import foreign_files
from packager.package.manifest import decode_entries
from packager.store.kept_files import changed_configuration
from packager.store.manifest_records import read_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packager.generations.document import Generation


class Edit:
    """One file. of: its package, or "generation-N" for one in the tree of links. path: in the
    tree of that. place: where it stays; None: it is kept aside."""

    __slots__ = ("of", "path", "place")

    def __init__(self, of: str, path: str, place: str | None) -> None:
        self.of = of
        self.path = path
        self.place = place

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {"of": self.of, "path": self.path, "place": self.place}


def find(root: str, current: Generation | None, leaving: Iterable[str]) -> list[Edit]:
    """What is edited of the generation `current` and of the packages `leaving` it, sorted. Raises
    PackagerError, OSError."""
    if current is None:
        return []
    found = []
    for package_id in sorted(leaving):
        place = f"{root}/packages/{package_id}"
        entries = decode_entries(read_record(root, package_id)[1], package_id)
        with _opened(place) as tree:
            paths = changed_configuration(tree, entries) if tree is not None else []
        found += [Edit(package_id, path, f"{place}/{path}") for path in paths]
    with _opened(f"{root}/generations/{current.number}") as tree:
        paths = foreign_files(tree, current, quick=True) if tree is not None else []
    return found + [Edit(f"generation-{current.number}", path, None) for path in paths]


@contextmanager
def _opened(path: str) -> Iterator[int | None]:
    """A descriptor of the directory, None if there is none."""
    try:
        fd = os.open(path, ENTER)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
