"""Is the active generation still what was made? Its links and files, and the units on the host.

The links are compared with what the records of the packages publish; the files beside them, and the
unit files placed on the host, with the hashes that were written down when they were made.
"""

from __future__ import annotations

import os
from contextlib import suppress

from packager.base.digest import sha256
from packager.base.durable_files import ENTER, content_of
from packager.base.errors import DataError, NotFound, PackagerError
from packager.generations.document import DOCUMENT, active_number, decode, is_whole
from packager.host import applied_state, systemd_units
from packager.store import lock
from packager.store.difference import (
    CHANGED,
    MISSING,
    Difference,
    unreadable_path,
)
from packager.store.installed import has_tree
from packager.store.manifest_records import read_record
from packager.store.store import is_at
from packager.store.translation import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.generations.published_links import Published


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
    content = content_of(DOCUMENT, tree)
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
    from packager.generations.published_links import publish
    from packager.verification.link_tree_comparison import LinkTreeComparison

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
    yield from LinkTreeComparison(generation, packages, content, lost).differences(tree)


def _history(root: str, number: int, content: bytes) -> Iterator[Difference]:
    """Its place in history, which it may lack only until the next command."""
    place = f"{root}/history/{number}.json"
    with suppress(FileNotFoundError), open(place, "rb") as file:  # noqa: PTH123
        if file.read() != content:
            yield Difference(place, f"it is not the generation's own {DOCUMENT}")


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
