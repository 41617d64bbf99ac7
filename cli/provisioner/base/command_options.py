"""How a command is to do its work: the values of its options."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import HostOptions, Policy

DEFAULT_PARALLEL_DOWNLOADS = 4


class CommandOptions:
    """quick: believe sizes and times of files. upgrade: take the highest versions that there are.
    discard: what somebody has changed in trees that are repaired is not kept aside. config_path: of
    packager's configuration, None: the default one. host: packager's options of the host. Timeouts
    are in seconds."""

    __slots__ = (
        *("_connect_timeout", "_read_timeout", "_retries"),
        *("config_path", "discard", "host", "parallel_downloads", "quick", "upgrade"),
    )

    def __init__(
        self,
        *,
        quick: bool,
        host: HostOptions,
        config_path: str | None,
        connect_timeout: float,
        read_timeout: float,
        retries: int,
        upgrade: bool = False,
        discard: bool = False,
        parallel_downloads: int = DEFAULT_PARALLEL_DOWNLOADS,
    ) -> None:
        self.quick = quick
        self.host = host
        self.config_path = config_path
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._retries = retries
        self.upgrade = upgrade
        self.discard = discard
        self.parallel_downloads = parallel_downloads

    @property
    def download_policy(self) -> Policy:
        """How long downloads may take, and how often they are tried."""
        from packager.api import Policy

        return Policy(self._connect_timeout, self._read_timeout, self._retries)
