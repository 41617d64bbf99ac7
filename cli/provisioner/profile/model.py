"""A profile: the state that one host is to be in. This is its document once it was validated.

What a profile may say is in profile.schema.json; `validation` checks documents against it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioner.profile.documents import (
        ConfigurationDocument,
        FileDocument,
        HttpProbeDocument,
        ProfileDocument,
        Secret,
    )

ROLLBACK, KEEP = "rollback", "keep"  # on_failure
CONFIG_SUFFIX = "-config"  # ends the name of the package that is made of a profile's configuration
DEFAULT_TIMEOUT_SECONDS = 30
DEFAULT_RETRIES = 3
DEFAULT_INTERVAL_SECONDS = 2


class HealthConditions:
    """What has to be true of the host before an apply counts, the defaults filled in.

    checks: whether the packages' own checks must succeed. units: those that must be active.
    timeout_seconds: for one attempt at each condition. retries: further attempts.
    """

    __slots__ = ("checks", "http", "interval_seconds", "retries", "timeout_seconds", "units")

    def __init__(
        self,
        *,
        checks: bool = True,
        units: Sequence[str] = (),
        http: Sequence[HttpProbeDocument] = (),
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        retries: int = DEFAULT_RETRIES,
        interval: float = DEFAULT_INTERVAL_SECONDS,
    ) -> None:
        self.checks = checks
        self.units = list(units)
        self.http = list(http)
        self.timeout_seconds = timeout
        self.retries = int(retries)  # 3.0 is an integer in JSON
        self.interval_seconds = interval


class Profile:
    """A profile that is known to be valid."""

    __slots__ = ("document",)

    def __init__(self, document: ProfileDocument) -> None:
        self.document = document

    @property
    def name(self) -> str:
        return self.document["name"]

    @property
    def roles(self) -> tuple[str, ...] | None:
        """The roles, sorted; None: those of the host."""
        roles = self.document.get("roles")
        return None if roles is None else tuple(sorted(roles))

    @property
    def repositories(self) -> list[dict[str, object]] | None:
        """The repositories as packager's configuration has them; None: packager's own."""
        return self.document.get("repositories")

    @property
    def packages(self) -> tuple[str, ...]:
        """Ids, names, and names with ranges."""
        return tuple(self.document.get("packages", ()))

    @property
    def values(self) -> dict[str, object]:
        return dict(self._configuration.get("values", {}))

    @property
    def secrets(self) -> dict[str, Secret]:
        """Names to texts, or to {"file": PATH}."""
        return dict(self._configuration.get("secrets", {}))

    @property
    def files(self) -> list[FileDocument]:
        return list(self._configuration.get("files", ()))

    @property
    def health(self) -> HealthConditions:
        return HealthConditions(**self.document.get("health", {}))

    @property
    def on_failure(self) -> str:
        """ROLLBACK or KEEP."""
        return self.document.get("on_failure", ROLLBACK)

    @property
    def config_name(self) -> str:
        """The name of the package that its configuration is rendered into."""
        return self.name + CONFIG_SUFFIX

    @property
    def _configuration(self) -> ConfigurationDocument:
        return self.document.get("configuration", {})
