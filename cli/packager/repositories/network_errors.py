"""What goes wrong below HTTP, in words: no name, no connection, no certificate, no more data.

The messages of requests and urllib3 are not passed on: they contain whole URLs, and so passwords
and signatures. What is said here is made from the kinds of the errors alone.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl

import requests
import urllib3.exceptions

from packager.base.errors import (
    ConfigError,
    Denied,
    PackagerError,
    ProtocolError,
    Unavailable,
    UsageError,
)

# All that an exchange with a server can raise; requests' own errors are OSErrors or ValueErrors.
NETWORK_ERRORS = (
    OSError,
    ValueError,
    http.client.HTTPException,
    urllib3.exceptions.HTTPError,
)


class Broken(Exception):
    """An attempt to download failed; `reason` is fit to be shown.

    error: the failure to report if there is no other attempt; `Unavailable` ones are tried again.
    wait: seconds that the server asks to wait.
    """

    def __init__(
        self, reason: str, *, error: type[PackagerError] = Unavailable, wait: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.wait = wait

    @property
    def retryable(self) -> bool:
        return self.error is Unavailable


def broken(error: BaseException, connect_timeout: float, read_timeout: float) -> Broken:
    """`error`, one of NETWORK_ERRORS, as the Broken to raise; the times (s) are for its words."""
    causes = list(_causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    proxy = "the proxy: " if has(requests.exceptions.ProxyError) else ""
    if has(requests.exceptions.InvalidProxyURL):
        return Broken("the proxy's URL is malformed", error=ConfigError)
    if has(requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError):
        return Broken("the URL is malformed", error=UsageError)
    if "Tunnel connection failed: 407" in str(causes[-1]):
        return Broken("the proxy wants a user and a password", error=Denied)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Broken(
                f"{proxy}its certificate is not trusted ({cause.verify_message}); an authority of "
                "your own belongs into the system's store, or into a file that SSL_CERT_FILE names",
                error=ProtocolError,
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return Broken(f"{proxy}TLS failed ({cause.reason})", error=ProtocolError)
    if has(socket.gaierror):
        return Broken(f"{proxy}the host's name can't be resolved")
    if has(http.client.RemoteDisconnected):
        return Broken(f"{proxy}the connection was closed without an answer")
    if has(urllib3.exceptions.IncompleteRead, http.client.IncompleteRead):
        return Broken("the answer ended early")
    for cause in causes:
        if isinstance(cause, ConnectionError) and not isinstance(cause, requests.RequestException):
            return Broken(f"{proxy}{os.strerror(cause.errno or 0).lower()}")
    # After the refused connections: urllib3 counts them among the time-outs.
    if has(urllib3.exceptions.ConnectTimeoutError):
        return Broken(f"{proxy}no connection within {connect_timeout:g} s")
    if has(urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return Broken(f"{proxy}no data for {read_timeout:g} s")
    if has(http.client.HTTPException, urllib3.exceptions.InvalidHeader):
        return Broken("the answer is not HTTP", error=ProtocolError)
    if has(urllib3.exceptions.InvalidChunkLength, urllib3.exceptions.ProtocolError):
        return Broken("the answer is cut or malformed")
    if (
        type(error) is OSError
    ):  # how requests says that a CA bundle or client certificate is missing
        return Broken(str(error), error=ConfigError)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno:
            return Broken(f"{proxy}{os.strerror(cause.errno).lower()}")
    kind = type(causes[-1]).__name__
    if isinstance(error, ValueError):  # whatever it is about, the next try has the same
        return Broken(f"{proxy}the exchange failed ({kind})", error=ProtocolError)
    return Broken(f"{proxy}the connection failed ({kind})")


def _causes(error: BaseException) -> list[BaseException]:
    """`error` and everything that it was made from, outermost first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and not any(each is other for other in found):
            found.append(each)
            waiting += [getattr(each, "reason", None), *each.args, each.__cause__, each.__context__]
    return found
