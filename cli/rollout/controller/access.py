"""How the command line says masters are reached, made a client."""

from __future__ import annotations

from dataclasses import dataclass

from packager import __version__

from rollout.base.certificates import tls_context
from rollout.base.credentials import read_credentials
from rollout.core.strategy import Strategy
from rollout.master.client import Limits, MasterClient
from rollout.master.election import ANSWER_SECONDS, Election
from rollout.master.places import ElectionPlace, MasterPlace, parse_masters


@dataclass(frozen=True)
class Access:
    """credentials, zk_credentials: paths of files. ca: the path of certificates that are trusted,
    None for the system's. https: whether masters that ZooKeeper names are asked by TLS.
    wait: seconds for which a leader is waited for."""

    credentials: str | None
    zk_credentials: str | None
    ca: str | None
    https: bool
    wait: float


def master_client(strategy: Strategy, access: Access) -> MasterClient:
    """The client for the strategy's masters. Raises UsageError, ConfigError."""
    credentials = access.credentials and read_credentials(access.credentials)
    place = parse_masters(strategy.masters)
    masters: tuple[MasterPlace, ...] | Election
    if isinstance(place, ElectionPlace):
        zk_credentials = access.zk_credentials and read_credentials(access.zk_credentials)
        scheme = "https" if access.https else "http"
        masters = Election(
            place,
            scheme=scheme,
            credentials=zk_credentials or None,
            answer_seconds=min(ANSWER_SECONDS, access.wait),
        )
    else:
        masters = place
    return MasterClient(
        masters,
        credentials=credentials or None,
        tls=tls_context(access.ca),
        limits=Limits(),
        user_agent=f"rollout/{__version__}",
    )
