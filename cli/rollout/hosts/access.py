"""How the command line says hosts are reached, made clients."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from packager import __version__
from packager.base.errors import Denied, UsageError
from packager.base.optional_libraries import required_library

from rollout.base.certificates import tls_context
from rollout.base.credentials import read_credentials
from rollout.core.registry import HostId
from rollout.hosts.client import HostClient, Patience
from rollout.hosts.provisioner import Provisioner

with required_library("hosts", extra="rollout"):
    import aiohttp


@dataclass(frozen=True)
class HostAccess:
    """credentials: the path of a file. https: whether agents speak TLS. trust_network: whether they
    get credentials without it. networks: they go only to addresses in these (CIDR); empty: to all.
    ca: the path of certificates that are trusted, None for the system's."""

    credentials: str | None
    https: bool
    trust_network: bool
    ca: str | None
    networks: tuple[str, ...] = ()


class Hosts:
    """Makes clients for hosts that share a session."""

    def __init__(
        self, session: aiohttp.ClientSession, access: HostAccess, secret: str | None
    ) -> None:
        self._session, self._access, self._secret = session, access, secret
        self._networks = [ip_network(each) for each in access.networks]

    def client(self, host: HostId, patience: Patience | None = None) -> HostClient:
        """The client of one host. Raises Denied for one that is not to get our credentials."""
        headers = {"User-Agent": f"rollout/{__version__}"}
        if self._secret is not None:
            self._refuse_stranger(host)
            headers["Authorization"] = f"Basic {self._secret}"
        scheme = "https" if self._access.https else "http"
        return HostClient(self._session, host, scheme=scheme, headers=headers, patience=patience)

    def provisioner(self, host: HostId, patience: Patience | None = None) -> Provisioner:
        """The provisioner of one host. Raises Denied."""
        return Provisioner(self.client(host, patience))

    def _refuse_stranger(self, host: HostId) -> None:
        if not self._networks:
            return
        address = ip_address(host.address.rpartition(":")[0].strip("[]"))
        if not any(address in network for network in self._networks):
            raise Denied("its address is in none of the networks that agents may be in")


@asynccontextmanager
async def open_hosts(access: HostAccess) -> AsyncIterator[Hosts]:
    """Clients of hosts, until the end of the block. Raises UsageError, ConfigError, PackagerError
    for the credentials' file."""
    secret = _secret(access)
    trusted: ssl.SSLContext | bool = tls_context(access.ca) or True
    # How many are asked at once is for the callers to say.
    connector = aiohttp.TCPConnector(limit=0, ssl=trusted)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Hosts(session, access, secret)


def _secret(access: HostAccess) -> str | None:
    for each in access.networks:
        try:
            ip_network(each)
        except ValueError:
            raise UsageError(f"{each[:100]!r} is not a network such as 10.0.0.0/8") from None
    if access.credentials is None:
        return None
    if not access.https and not access.trust_network and not access.networks:
        raise UsageError(
            "credentials for agents would go over plain HTTP to whatever has registered as an "
            "agent: have agents speak TLS (--agent-https), name their networks "
            "(--agent-networks), or say --trust-network"
        )
    return b64encode(":".join(read_credentials(access.credentials)).encode()).decode()
