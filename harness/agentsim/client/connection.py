"""A connection to a host, for `call` and `routes`: addresses, proxies and errors alike for both.

Proxies are those of the environment, as curl and others take them: `http_proxy`, `https_proxy`,
`all_proxy` and `no_proxy`. Certificates are checked against the system's; `SSL_CERT_FILE` names
another file of them (OpenSSL).
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import EX_NOHOST, EX_PROTOCOL, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

_CONNECT_SECONDS = 10.0
_PORTS = {"http": 80, "https": 443}


class CallFailed(Exception):
    """The call has no answer; the text says why.

    Attributes:
        status: what to exit with, of sysexits.h.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads.

    Attributes:
        scheme: http or https.
        host, port: of the host.
        target: what to ask it for: path and query.
    """

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class Connection:
    """A connection that is open.

    Attributes:
        http: to send by and to receive from.
        target: for the request line; a whole URL if a proxy is asked for it.
        fields: headers for the proxy.
        place: who is at the other end, for messages.
    """

    http: http.client.HTTPConnection
    target: str
    place: str
    fields: dict[str, str] = field(default_factory=dict)


def parse_url(url: str) -> Address:
    """Read a URL.

    Raises:
        CallFailed: it is none of a host's; the text says what was expected.
    """
    parts = _split(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise CallFailed(EX_USAGE, f"{url}: expected http://HOST:PORT/PATH")
    if parts.username is not None:
        text = "credentials in a URL are not sent: take --user or --credentials"
        raise CallFailed(EX_USAGE, text)
    if not all("!" <= character <= "~" for character in url):
        raise CallFailed(EX_USAGE, f"{url!r}: escape blanks, control and non-ASCII characters")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], target)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError as error:
        raise CallFailed(EX_USAGE, f"{url}: {error}") from None
    return parts


def connect(url: str, timeout: float | None) -> Connection:
    """Connect to the host of a URL, by the proxy that the environment names.

    Args:
        url: with the path and the query that are to be asked for.
        timeout: seconds that the host may send nothing later; None: for ever.

    Raises:
        CallFailed: there is no connection to be had.
    """
    connection = _connection(parse_url(url))
    try:
        with told_as_call_failed(connection.place, None):
            connection.http.connect()
        assert connection.http.sock is not None
        connection.http.sock.settimeout(timeout)
    except BaseException:
        connection.http.close()
        raise
    return connection


def _connection(address: Address) -> Connection:
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    place = str(address)
    proxies = getproxies_environment()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(place, proxies):
        direct = kinds[address.scheme](address.host, address.port, timeout=_CONNECT_SECONDS)
        return Connection(direct, address.target, place)
    parts = _split(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http" or not parts.hostname:
        text = f"the environment's proxy {_without_secret(parts)}: expected http://HOST:PORT"
        raise CallFailed(EX_USAGE, text)
    fields = {}
    if parts.username is not None:
        pair = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
        fields = {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode()}
    by = f"{place} (by the proxy {parts.hostname}:{parts.port or 80})"
    through = kinds[address.scheme](parts.hostname, parts.port or 80, timeout=_CONNECT_SECONDS)
    if address.scheme == "https":
        through.set_tunnel(address.host, address.port, fields)
        return Connection(through, address.target, by)
    return Connection(through, f"http://{place}{address.target}", by, fields)


def _without_secret(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@contextmanager
def told_as_call_failed(place: str, timeout: float | None) -> Iterator[None]:
    """Turn the errors of a connection that has no answer yet into words and an exit status.

    Args:
        place: who is at the other end.
        timeout: seconds that it may send nothing, None if there is no such limit.

    Raises:
        CallFailed: in place of OSError, HTTPException and ValueError.
    """
    try:
        yield
    except TimeoutError:
        if timeout is None:  # of the connection, of a handshake, or the kernel's own
            raise CallFailed(EX_UNAVAILABLE, f"{place} does not answer") from None
        raise CallFailed(EX_TEMPFAIL, f"{place} sent nothing for {timeout:g} s") from None
    except socket.gaierror as error:
        again = error.errno == socket.EAI_AGAIN
        text = f"there is no host of the name in {place}: {error.strerror}"
        raise CallFailed(EX_TEMPFAIL if again else EX_NOHOST, text) from None
    except ConnectionRefusedError:
        text = f"nothing listens on {place}: is the agent running?"
        raise CallFailed(EX_UNAVAILABLE, text) from None
    except ssl.SSLCertVerificationError as error:  # which is a ValueError, too
        text = (
            f"{place}: the certificate is not trusted: {error.verify_message};"
            " SSL_CERT_FILE may name a file of certificates to trust"
        )
        raise CallFailed(EX_UNAVAILABLE, text) from None
    except ssl.SSLError as error:
        raise CallFailed(EX_UNAVAILABLE, f"{place}: TLS: {error.reason or error}") from None
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        text = (
            f"{place} closed the connection without an answer: it does so for a malformed request"
        )
        raise CallFailed(EX_PROTOCOL, text) from None
    except ValueError as error:  # http.client's word on a bad method, header or host name
        raise CallFailed(EX_USAGE, str(error)) from None
    except http.client.HTTPException as error:
        raise CallFailed(EX_PROTOCOL, f"{place} did not answer in HTTP: {error!r}") from None
    except OSError as error:
        raise CallFailed(EX_UNAVAILABLE, f"{place}: {error.strerror or error}") from None
