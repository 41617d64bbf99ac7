"""Who may call: a request's path, then its route -> let in, or the refusal that answers it.

Passwords are no matter of this: the host has checked them, or has nothing to check them with.

Source: Fetch Metadata Request Headers (W3C) on Sec-Fetch-Site, RFC 6454 on Origin, RFC 9110 (7.2)
on Host.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from agentsim.core.argv import Refusal, refuse
from agentsim.core.route_table import Route

_DIGITS: Final = frozenset(b"0123456789")
_ADDRESS_6: Final = frozenset(b"0123456789abcdef:.")
_BRACKETED: Final = b"["


@dataclass(frozen=True, slots=True)
class Access:
    """What the operator of a host has said.

    Attributes:
        open: whether realms without an authenticator let everybody in.
        names: the names by which a host without credentials may be called, beside addresses and
            `localhost`, in lower case; None if the host has credentials: any name.
    """

    open: bool = False
    names: Collection[bytes] | None = None


def refuse_path(
    realm: str | None, principal: str | None, headers: Mapping[bytes, bytes], access: Access
) -> Refusal | None:
    """Decide where authentication does, before anybody looks at the method.

    Args:
        realm: the path's, None if it is in none.
        principal: who was authenticated.
        headers: of the request, by names in lower case.
        access: what the operator has said.

    Returns:
        None if it may go on.
    """
    if realm is not None and principal is None and not access.open:
        return refuse(
            "unguarded",
            "This host can authenticate nobody for the realm of this path, and so lets nobody in."
            " Its operator can give it credentials, or open it.",
        )
    if _is_of_another_site(headers):
        return refuse("cross-site", "A browser has sent this request for a page of another site.")
    if access.names is not None and not is_own_name(headers.get(b"host", b""), access.names):
        return refuse(
            "cross-site",
            "The name in Host is none of this host's, so that it may be a page of another site that"
            " asks. Its operator can allow the name.",
        )
    return None


def refuse_route(route: Route, principal: str | None) -> Refusal | None:
    """Decide once the route is known, before anybody looks at its parameters."""
    if not route.principals or principal in route.principals:
        return None
    return refuse(
        "not-permitted",
        "This route is for certain principals, and the request is of none."
        if principal is None
        else "This principal is none of those that may call this route.",
    )


def is_own_name(authority: bytes, names: Collection[bytes]) -> bool:
    """Whether a Host is one that no page of another site can have: an address, `localhost`, none.

    Args:
        authority: the value of Host, a port included.
        names: further ones that the host is known by, in lower case.
    """
    host = _host(authority)
    return host in (b"", b"localhost") or _is_address(host) or host in names


def _is_of_another_site(headers: Mapping[bytes, bytes]) -> bool:
    site = headers.get(b"sec-fetch-site", b"").lower()
    if site in (b"cross-site", b"same-site"):
        return True
    origin = headers.get(b"origin")
    if site in (b"same-origin", b"none") or origin is None:
        return False
    _, separator, authority = origin.partition(b"://")  # `null` has none
    host = headers.get(b"host")
    return not separator or host is None or _host(authority) != _host(host)


def _host(authority: bytes) -> bytes:
    """`host:port` or `[address]:port` without the port, in lower case."""
    host, colon, port = authority.rpartition(b":")
    whole = host.endswith(b"]") if authority.startswith(_BRACKETED) else b":" not in host
    return (host if colon and whole and _DIGITS.issuperset(port) else authority).lower()


def _is_address(host: bytes) -> bool:
    """Whether it is an address as a browser writes it: no page can be given one for a name."""
    if host.startswith(_BRACKETED):
        return len(host) > 1 and host.endswith(b"]") and _ADDRESS_6.issuperset(host[1:-1])
    numbers = host.split(b".")
    return len(numbers) == 4 and all(
        0 < len(number) <= 3 and _DIGITS.issuperset(number) and int(number) <= 255
        for number in numbers
    )
