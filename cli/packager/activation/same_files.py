"""Whether two packages publish the same file at a path: then they may both have it."""

from __future__ import annotations

import json
from contextlib import suppress

from packager.base.errors import PackagerError
from packager.package.entry_kinds import FILE, LINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.activation.planning import Packages


class SameFiles:
    """Asked about packages on a host with these roles; records are read only for what is asked."""

    def __init__(self, packages: Packages, roles: tuple[str, ...]) -> None:
        self._packages = packages
        self._roles = roles
        self._entries: dict[str, dict[str, dict[str, object]]] = {}

    def at(self, path: str, one: str, other: str) -> bool:
        """Whether what these packages, ids, publish at the path is the same to whoever uses it: a
        file with the same content, mode and owner, or a link to the same name beside it."""
        with suppress(PackagerError):  # of a package that is lost nothing can be said
            first, second = self._published(path, one), self._published(path, other)
            if first != second:
                return False
            if first["type"] == LINK:
                return "/" not in str(first["target"])
            return first["type"] == FILE
        return False

    def _published(self, path: str, package_id: str) -> dict[str, object]:
        """What the package publishes at the path, without its own path of it."""
        source = self._packages.published(package_id, self._roles).links[path]
        if package_id not in self._entries:
            items = json.loads(self._packages.entries(package_id))
            self._entries[package_id] = {item["path"]: item for item in items}
        owners = self._packages.declarations(package_id, self._roles).get("owners", {})
        entry = self._entries[package_id][source]
        return {**entry, "path": path, "owners": owners.get(source)}
