"""The configuration of a profile once it is rendered: its files, and the package made of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ConfigurationFile:
    """secret: its template has read a secret. restart: units to restart when the file changes.
    owner, group: names; None: those of who runs provisioner."""

    __slots__ = ("content", "group", "mode", "owner", "path", "restart", "secret")

    def __init__(
        self,
        path: str,
        content: bytes,
        mode: int,
        *,
        secret: bool,
        restart: Sequence[str],
        owner: str | None = None,
        group: str | None = None,
    ) -> None:
        self.path = path
        self.content = content
        self.mode = mode
        self.secret = secret
        self.restart = tuple(restart)
        self.owner = owner
        self.group = group

    @property
    def owners(self) -> dict[str, str]:
        """Whom it is given to, as pkginfo.json has it; empty if to nobody."""
        named = (("user", self.owner), ("group", self.group))
        return {kind: name for kind, name in named if name is not None}


class Configuration:
    """files: sorted by path; without any there is no package. package_id and archive are its.

    unknown: paths of files whose templates are in packages that are not in the store yet. facts:
    the facts that templates have used, by name.
    """

    __slots__ = ("archive", "facts", "files", "package_id", "unknown")

    def __init__(
        self,
        package_id: str | None,
        files: Sequence[ConfigurationFile],
        archive: bytes,
        unknown: Sequence[str],
        facts: Mapping[str, object],
    ) -> None:
        self.package_id = package_id
        self.files = files
        self.archive = archive
        self.unknown = unknown
        self.facts = facts

    @property
    def secret(self) -> bool:
        """Whether a file of it contains a secret."""
        return any(each.secret for each in self.files)
