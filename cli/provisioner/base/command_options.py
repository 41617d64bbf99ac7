"""How a command is to do its work: the values of its options."""

from __future__ import annotations

from packager.api import HostOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NotRequired, Unpack

    from packager.api import HostOptionValues, Policy

    class CommandOptionValues(HostOptionValues):
        """The values of the options by dest, as the parser gives them."""

        quick: NotRequired[bool]
        upgrade: NotRequired[bool]
        discard: NotRequired[bool]
        config_path: NotRequired[str | None]
        connect_timeout: float
        read_timeout: float
        retries: int
        at_once: NotRequired[int]


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
        connect_timeout: float,
        read_timeout: float,
        retries: int,
        quick: bool = False,
        upgrade: bool = False,
        discard: bool = False,
        config_path: str | None = None,
        at_once: int = DEFAULT_PARALLEL_DOWNLOADS,
        **host: Unpack[HostOptionValues],
    ) -> None:
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._retries = retries
        self.quick = quick
        self.upgrade = upgrade
        self.discard = discard
        self.config_path = config_path
        self.parallel_downloads = at_once
        self.host = HostOptions(**host)

    @property
    def download_policy(self) -> Policy:
        """How long downloads may take, and how often they are tried."""
        from packager.api import Policy

        return Policy(self._connect_timeout, self._read_timeout, self._retries)
