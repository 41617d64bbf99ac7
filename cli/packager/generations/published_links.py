"""What of a package becomes visible when it is active: which links, made of its manifest alone.

The files below bin, lib, etc and include are published under the same paths, those below
`<directory>_<role>` too if the host has the role; units come from dcos.target.wants (pkgpanda's
name) or units. Every file and every link becomes one link; directories are made anew and shared by
all packages that have them. The disk is not looked at: what the record does not name is not
published.
"""

from __future__ import annotations

import json

from packager.base.errors import DataError
from packager.generations.tree_layout import RESERVED, SOURCES
from packager.package.declarations import SERVICES_FILE
from packager.package.host_links import is_allowed_host_link
from packager.package.link_resolution import (
    AbsoluteTarget,
    LeavesPackage,
    TooManyLinks,
    follow,
)
from packager.package.package_id import split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PKGPANDA_PACKAGES = "/opt/mesosphere/packages/"


class Published:
    """What one package publishes. All paths are relative, without a slash at the end."""

    __slots__ = ("directories", "id", "links", "name", "problems")

    def __init__(self, package_id: str) -> None:
        self.id = package_id
        self.name = split_id(package_id)[0]
        self.links: dict[str, str] = {}  # path in the generation -> path in the package
        self.directories: set[str] = set()  # in the generation; parents of links included
        self.problems: list[str] = []  # why the package can't be active, whatever the others are


def publish(package_id: str, entries: bytes, roles: Sequence[str]) -> Published:
    """What the package with these entries, the second line of its record, publishes.

    Raises DataError if they are not entries.
    """
    published = Published(package_id)
    try:
        items = json.loads(entries)
        _publish(published, items, _destinations(roles))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"the record of {package_id} is damaged: {error}") from error
    if SERVICES_FILE in published.links:
        published.problems.append(
            f"{package_id} has {SERVICES_FILE!r}, which is reserved for a file of every generation"
        )
    if published.name in RESERVED:
        published.problems.append(
            f"{package_id}: every generation has something of its own called {published.name!r}; "
            "a package of this name can't be active"
        )
    return published


def _destinations(roles: Sequence[str]) -> dict[str, str]:
    """Top directories of packages to those of a generation."""
    found = {}
    for destination, sources in SOURCES.items():
        for source in sources:
            found[source] = destination
            for role in roles:
                found[f"{source}_{role}"] = destination
    return found


def _publish(
    published: Published, items: Iterable[dict[str, str]], destinations: dict[str, str]
) -> None:
    linked: list[tuple[str, str]] = []
    for item in items:
        path, kind = item["path"], item["type"]
        top, slash, rest = path.partition("/")
        destination = destinations.get(top)
        if destination is None:
            continue
        if slash:
            _put(published, f"{destination}/{rest}", path, item)
        elif kind == "directory":
            published.directories.add(destination)
        elif kind == "link":
            linked.append((path, destination))
    if linked:
        entries = {item["path"]: item for item in items}
        for path, destination in linked:
            _publish_linked(published, path, destination, entries)


def _put(published: Published, path: str, source: str, item: dict[str, str]) -> None:
    """Publish one entry of the package, `source`, as `path`."""
    if item["type"] == "directory":
        published.directories.add(path)
        clash = published.links.get(path)
    else:
        if item["type"] == "link" and _leaves(published.id, item["target"]):
            published.problems.append(
                f"{published.id}: the link {source!r} leaves the package: its target is "
                f"{item['target']!r}"
            )
        clash = published.links.get(path)
        if clash is None and path in published.directories:
            clash = "a directory"
        published.links[path] = source
    if clash is not None:
        published.problems.append(
            f"{published.id}: {path!r} would be {clash!r} and {source!r} of the same package"
        )


def _leaves(package_id: str, target: str) -> bool:
    """Whether a link that `add` has let pass leaves its package. Relative ones never do; absolute
    ones stay in it only as packages built by pkgpanda call themselves. A virtual environment's link
    to the host's Python is allowed."""
    if is_allowed_host_link(target):
        return False
    return target.startswith("/") and not target.startswith(f"{PKGPANDA_PACKAGES}{package_id}/")


def _publish_linked(
    published: Published, path: str, destination: str, entries: dict[str, dict[str, str]]
) -> None:
    """Publish a top directory that is a link to another directory of the same package."""
    place = _follow(path, entries)
    if place is None or entries.get(place, {}).get("type") != "directory":
        published.problems.append(
            f"{published.id}: {path!r} is a link that does not lead to a directory of the package: "
            f"its target is {entries[path]['target']!r}"
        )
        return
    published.directories.add(destination)
    for source, item in entries.items():
        if source.startswith(f"{place}/"):
            _put(published, f"{destination}/{source[len(place) + 1 :]}", source, item)


def _follow(path: str, entries: dict[str, dict[str, str]]) -> str | None:
    """The path in the package that the link at `path` leads to; None if it leads out of it."""

    def target_of(at: str) -> str | None:
        item = entries.get(at)
        return item["target"] if item is not None and item["type"] == "link" else None

    try:
        return follow(path, target_of)
    except (LeavesPackage, TooManyLinks, AbsoluteTarget):
        return None
