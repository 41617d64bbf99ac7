"""Whose TLS certificates are believed: the authorities in the host's own store.

requests alone believes those that it brings with it (certifi), and so no authority that the host's
administrator has added. Here, as with curl and most other programs:

    REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE   a file or a directory, in the place of all others
    SSL_CERT_FILE, SSL_CERT_DIR          in the place of the system's file, and of its directory
    the system's store                   of OpenSSL's own places, or of those of distributions
    certifi                              where the system has no store
"""

from __future__ import annotations

import os
import ssl
from functools import cache

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from packager.base.debug_log import debug
from packager.base.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from requests.adapters import BaseAdapter

BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # those of requests
FILE_VARIABLE, DIRECTORY_VARIABLE = "SSL_CERT_FILE", "SSL_CERT_DIR"  # those of OpenSSL
# For a Python whose OpenSSL was built for other places. Source: Go's crypto/x509/root_linux.go.
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL
    "/etc/ssl/cert.pem",  # Alpine
)


class SystemAdapter(HTTPAdapter):
    """The adapter of a TrustingSession for https."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=_context(), **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        trust = {"ssl_context": _context(), "proxy_ssl_context": _context()}
        if proxy.lower().startswith("socks"):
            del trust["proxy_ssl_context"]
        return super().proxy_manager_for(proxy, **trust, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if verify is True:  # requests has added its own authorities
            conn.ca_certs = conn.ca_cert_dir = None


class TrustingSession(requests.Session):
    """A session that believes the authorities of this module where requests would believe its own;
    not if `own_authorities` is set, since each request names its own.

    Sending raises ConfigError for a variable that names no authorities.
    """

    own_authorities = False
    system_adapter: type[SystemAdapter] = SystemAdapter

    def get_adapter(self, url: str) -> BaseAdapter:
        """The adapter for `url`; that for https is made when it is first needed."""
        adapter = super().get_adapter(url)
        if not url.lower().startswith("https:") or self.own_authorities or bundle() is not None:
            return adapter
        if not isinstance(adapter, SystemAdapter):
            adapter = self.system_adapter()
            self.mount("https://", adapter)
        return adapter


def bundle() -> str | None:
    """The file or directory that is to be in the place of all others, if the environment names
    one."""
    named = (os.environ.get(variable) for variable in BUNDLE_VARIABLES)
    return next((path for path in named if path), None)


def _context() -> ssl.SSLContext:
    return _made(*(os.environ.get(each) for each in (FILE_VARIABLE, DIRECTORY_VARIABLE)))


@cache
def _made(file: str | None, directory: str | None) -> ssl.SSLContext:
    """A context with the authorities of the variables' values and of the system."""
    context = create_urllib3_context()
    if file:
        _load(context, FILE_VARIABLE, file)
    if directory:
        for each in directory.split(":"):
            if not os.path.isdir(each):  # noqa: PTH112
                raise ConfigError(f"{DIRECTORY_VARIABLE}: {each}: there is no such directory")
    context.load_default_certs()  # OpenSSL reads the variables, too
    if not file and not context.cert_store_stats()["x509_ca"]:
        known = (*SYSTEM_FILES, DEFAULT_CA_BUNDLE_PATH)
        found = next((each for each in known if _has_content(each)), None)
        if found is not None:
            context.load_verify_locations(cafile=found)
    debug(lambda: f"authorities: {context.cert_store_stats()} of {file or 'the system'}")
    return context


def _load(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ConfigError(f"{variable}: {path}: it has no certificate in PEM") from error
    except OSError as error:
        raise ConfigError(f"{variable}: {path}: {error.strerror}") from error


def _has_content(path: str) -> bool:
    try:
        return os.access(path, os.R_OK) and os.path.getsize(path) > 0  # noqa: PTH202
    except OSError:
        return False
