"""Proxies from the environment: which one a URL is asked for through, and whether it can be one.

Libraries report a bad proxy as a malformed URL, and take `no_proxy=ample.test` for a word about
`example.test`. Names and forms are those of curl (man page, "Environment"): `http_proxy` and its
kin, and in `no_proxy` hosts with all that is below them, addresses, networks, and `*`.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from packager.base.errors import ConfigError
from packager.repositories import urls

SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


def chosen(url: str) -> dict[str, str]:
    """The proxy for `url`, which is well-formed, by its scheme, as requests takes it; empty: none.

    Raises ConfigError for a proxy that can't be used; it names the variable and no value.
    """
    parts = urlsplit(url)
    environment = getproxies_environment()
    proxy = environment.get(parts.scheme) or environment.get("all")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not proxy or bypassed(parts.hostname or "", port, environment.get("no", "")):
        return {}
    _check(proxy, _variable(parts.scheme))
    return {parts.scheme: proxy}


def bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether `no_proxy` says that this host is asked directly. Pure.

    Its words are between commas or blanks: a host (with or without a dot or `*.` before it: it and
    all below it), one with a port, an address, a network (10.0.0.0/8), or `*` for all.
    """
    host = host.lower().removesuffix(".")
    address = _address(host)
    for word in no_proxy.lower().replace(",", " ").split():
        if word == "*":
            return True
        if address is not None and (network := _network(word)) is not None:
            if address.version == network.version and address in network:
                return True
            continue
        name, colon, digits = word.rpartition(":")
        if not (colon and digits.isascii() and digits.isdigit()):
            name = word
        elif int(digits) != port:
            continue
        name = name.removeprefix("[").removesuffix("]")
        name = name.removeprefix("*").removeprefix(".").removesuffix(".")
        if name and (host == name or (address is None and host.endswith(f".{name}"))):
            return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(word: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        return None


def _check(proxy: str, place: str) -> None:
    scheme, separator, _ = proxy.partition("://")
    scheme = scheme.lower() if separator else "http"
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
