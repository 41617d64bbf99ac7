"""A profile: what one host is to be like. This is the document once it was found well-formed.

What it may say is in profile.schema.json; `validation` holds documents against it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]  # JSON-able

ROLLBACK, KEEP = "rollback", "keep"
CHECK_DEFAULTS: Document = {"checks": True, "units": [], "http": [], "timeout": 30, "retries": 3}
CHECK_DEFAULTS["interval"] = 2
CONFIG_SUFFIX = "-config"  # ends the name of the package that is made of a profile's configuration


class Profile:
    """A profile that is known to be well-formed. `document` is the whole of it, as JSON."""

    __slots__ = ("document",)

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def roles(self) -> tuple[str, ...] | None:
        """The roles, sorted; None: those of the host."""
        roles = self.document.get("roles")
        return None if roles is None else tuple(sorted(roles))

    @property
    def repositories(self) -> list[Document] | None:
        """The repositories as packager's configuration has them; None: packager's own."""
        return self.document.get("repositories")

    @property
    def packages(self) -> tuple[str, ...]:
        """Ids, names, and names with ranges."""
        return tuple(self.document.get("packages", ()))

    @property
    def values(self) -> Document:
        return dict(self._configuration.get("values", {}))

    @property
    def secrets(self) -> dict[str, str | dict[str, str]]:
        """Names to texts, or to {"file": PATH}."""
        return dict(self._configuration.get("secrets", {}))

    @property
    def files(self) -> list[Document]:
        return list(self._configuration.get("files", ()))

    @property
    def health(self) -> Document:
        """The conditions, with the defaults filled in."""
        found = {**CHECK_DEFAULTS, **self.document.get("health", {})}
        return {**found, "retries": int(found["retries"])}  # 3.0 is a whole number in JSON

    @property
    def on_failure(self) -> str:
        """ROLLBACK or KEEP."""
        return str(self.document.get("on_failure", ROLLBACK))

    @property
    def config_name(self) -> str:
        """The name of the package that its configuration is rendered into."""
        return self.name + CONFIG_SUFFIX

    @property
    def _configuration(self) -> Document:
        found: Document = self.document.get("configuration", {})
        return found
