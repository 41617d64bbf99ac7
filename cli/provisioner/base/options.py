"""How a command is to go about it: the values of its options."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.host.options import HostOptions
    from packager.repositories.http_policy import Policy


class Settings:
    """upgrade: take the highest versions that there are. quick: believe sizes and times of files.
    host: packager's options of the host. Times are in seconds."""

    __slots__ = (
        "_patience",
        "at_once",
        "config_path",
        "host",
        "quick",
        "upgrade",
    )

    def __init__(
        self,
        *,
        quick: bool,
        config_path: str | None,
        connect_timeout: float,
        read_timeout: float,
        retries: int,
        host: HostOptions,
        upgrade: bool = False,
        at_once: int = 4,
    ) -> None:
        self.quick = quick
        self.upgrade = upgrade
        self.config_path = config_path
        self.at_once = at_once  # packages fetched
        self.host = host
        self._patience = (connect_timeout, read_timeout, retries)

    @property
    def policy(self) -> Policy:
        """How patient downloads are."""
        from packager.repositories.http_policy import Policy

        return Policy(*self._patience)

    @property
    def systemd(self) -> bool:
        """Whether units may be started and asked about."""
        return self.host.systemd
