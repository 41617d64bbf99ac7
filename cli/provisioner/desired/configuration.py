"""The configuration of a profile once it is rendered: its files, and the package made of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ConfigurationFile:
    """secret: its template has read a secret. restart: units to restart when the file changes."""

    __slots__ = ("content", "mode", "path", "restart", "secret")

    def __init__(
        self, path: str, content: bytes, mode: int, *, secret: bool, restart: Sequence[str]
    ) -> None:
        self.path = path
        self.content = content
        self.mode = mode
        self.secret = secret
        self.restart = tuple(restart)


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
