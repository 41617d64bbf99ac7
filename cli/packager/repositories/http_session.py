"""A session of requests that does what this program says, and takes what servers really send.

- Redirects are hidden from requests: even when it is told not to follow them, it reads their whole
  bodies.
- Interim answers (1xx) are passed over, as RFC 9110, 15.2 has it; http.client knows only 100, and
  takes the 103 (Early Hints) of a content delivery network for the answer.
- Certificates are checked against the system's authorities (see `certificate_authorities`).
- Users and passwords are bytes (see `credentials`), for proxies too; requests has only Latin-1.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from packager.repositories.certificate_authorities import (
    SystemAdapter,
    TrustingSession,
)
from packager.repositories.credentials import basic, in_url

Authorization = Callable[[requests.PreparedRequest], requests.PreparedRequest]

_INTERIM = frozenset(range(102, 200))  # 100 is skipped by http.client, 101 ends HTTP


class _FinalResponse(http.client.HTTPResponse):
    def _read_status(self) -> tuple[str, int, str]:
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if line[1] not in _INTERIM:
                return line
            http.client.parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _FinalResponse


class _TlsConnection(HTTPSConnection):
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
