"""Proxies from the environment, looked at before they are used: libraries report a bad one as a
malformed URL, and not that of the proxy."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from requests.utils import select_proxy

from packager.base.errors import ConfigError
from packager.repositories import urls

SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


def check(url: str, proxies: Mapping[str, str]) -> None:
    """Look at the proxy that `url` is asked for through, if there is one.

    proxies: by scheme, as requests has them. Raises ConfigError, which names the variable.
    """
    proxy = select_proxy(url, proxies)
    if not proxy:
        return
    scheme, separator, _ = proxy.partition("://")
    scheme = scheme.lower() if separator else "http"
    place = _variable(urlsplit(url).scheme)
    if scheme in SOCKS:
        if importlib.util.find_spec("socks") is None:
            raise ConfigError(
                f"{place} names a SOCKS proxy, which needs the library PySocks: "
                "install the extra 'socks', or name an HTTP proxy"
            )
    elif scheme not in ("http", "https"):
        raise ConfigError(
            f"{place}: a proxy's URL begins with http://, https:// or socks5://, not {scheme}://"
        )
    reason = urls.flaw(proxy if separator else f"http://{proxy}")
    if reason is not None:
        raise ConfigError(f"{place}: the proxy's URL is malformed: {reason}")


def _variable(scheme: str) -> str:
    """The environment variable that names the proxy for a scheme, the first that is set."""
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), names[0])
