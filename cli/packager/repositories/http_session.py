"""A session of requests that does what this program says, and takes what servers really send.

- Redirects are hidden from requests: even when it is told not to follow them, it reads their whole
  bodies.
- Interim answers (1xx) are passed over, as RFC 9110, 15.2 has it; http.client knows only 100, and
  takes the 103 (Early Hints) of a content delivery network for the answer.
- Certificates are checked against the system's authorities (see `certificate_authorities`).
- A host's addresses share the time for a connection.
- Users and passwords are bytes (see `credentials`), for proxies too; requests has only Latin-1.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MissingHeaderBodySeparatorDefect,
)
from itertools import zip_longest
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from packager.repositories.certificate_authorities import (
    SystemAdapter,
    TrustingSession,
)
from packager.repositories.credentials import basic, in_url

Authorization = Callable[[requests.PreparedRequest], requests.PreparedRequest]

_HEADER_DEFECTS = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)
MAX_SHARES = 4  # of the time for a connection, whatever the number of addresses
_INTERIM = frozenset(range(102, 200))  # 100 is skipped by http.client, 101 ends HTTP


class _FinalResponse(http.client.HTTPResponse):
    def _read_status(self) -> tuple[str, int, str]:
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if line[1] not in _INTERIM:
                return line
            http.client.parse_headers(self.fp)

    def begin(self) -> None:
        super().begin()
        # The parser takes a line that is none for the end of the head: what came after it, such as
        # the length of the body, would be missing without a word.
        if any(isinstance(each, _HEADER_DEFECTS) for each in self.msg.defects):
            raise http.client.HTTPException("a header that is none")


class _AddressByAddress(HTTPConnection):
    """Tries a host's addresses, of both families in turn (RFC 8305, 4), each for a share of the
    time: else a network whose IPv6 leads nowhere takes all of it, at every attempt."""

    def _new_conn(self) -> socket.socket:
        host, whole = self._dns_host, self.timeout
        try:
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return super()._new_conn()  # which has its own words for that
        addresses = _in_turn([(family, str(each[0])) for family, *_, each in found])
        try:
            if isinstance(whole, float | int):
                self.timeout = whole / min(len(addresses), MAX_SHARES)
            for at, address in enumerate(addresses, 1):
                self._dns_host = address
                try:
                    connected = super()._new_conn()
                except HTTPError:
                    if at == len(addresses):
                        raise
                else:
                    connected.settimeout(whole)
                    return connected
            raise AssertionError("a name without an address")
        finally:
            self._dns_host, self.timeout = host, whole


def _in_turn(found: list[tuple[int, str]]) -> list[str]:
    """The addresses, each once: the first of the preferred family, the first of the other, …"""
    distinct = list(dict.fromkeys(found))
    first = [address for family, address in distinct if family == distinct[0][0]]
    other = [address for family, address in distinct if family != distinct[0][0]]
    pairs = zip_longest(first, other)
    return [address for pair in pairs for address in pair if address is not None]


class _Connection(_AddressByAddress):
    response_class = _FinalResponse


class _TlsConnection(_AddressByAddress, HTTPSConnection):
    response_class = _FinalResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **more)
        if not proxy.lower().startswith("socks"):  # that one has connections of its own
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        found = in_url(proxy)
        return {} if found is None else {"Proxy-Authorization": basic(*found)}


class _SystemAdapter(SystemAdapter, _Adapter):
    """Both."""


class Session(TrustingSession):
    """A session for one download; the caller follows redirects, and says who asks."""

    system_adapter = _SystemAdapter

    def __init__(self) -> None:
        super().__init__()
        for prefix in ("http://", "https://"):
            self.mount(prefix, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


def authorized(value: str | None) -> Authorization:
    """What requests takes for its `auth`: this Authorization, or none whatever the URL says."""

    def apply(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if value is not None:
            request.headers["Authorization"] = value
        return request

    return apply
