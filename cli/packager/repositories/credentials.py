"""Who asks: users and passwords in URLs and in ~/.netrc, as bytes, and the header they become.

A URL's percent-escapes are taken as the bytes that they are, and text is sent as UTF-8 (RFC 7617),
so that any password can be had; nothing of one is ever in a message.
"""

from __future__ import annotations

import base64
import os
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

# The parameters that sign a URL of Amazon's, Google's or Azure's object stores, and of those like
# them.
SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})
NETRC_FILES = ("~/.netrc", "~/_netrc")


class BadNetrc(Exception):
    """A .netrc that can't be read; the message names the file, and says nothing of its content."""


def in_url(url: str) -> tuple[bytes, bytes] | None:
    """User and password in `url`, None without a user: a user alone has an empty password."""
    parts = urlsplit(url)
    if not (parts.username or parts.password):
        return None
    return unquote_to_bytes(parts.username or ""), unquote_to_bytes(parts.password or "")


def basic(user: bytes, password: bytes) -> str:
    """The value of Authorization, or of Proxy-Authorization."""
    return "Basic " + base64.b64encode(user + b":" + password).decode()


def authorization(url: str, *, redirected: bool = False) -> str | None:
    """The value of Authorization for `url`: what it says itself, else what .netrc says of its host.

    redirected: another server led to it. Then .netrc's `default` does not count, which would give
    a password to whomever a server names; nor does .netrc at all for a URL that is signed, since
    object stores refuse two kinds of authentication at once.

    A user alone takes the password that .netrc has for this very user, as in curl; without one the
    user is sent with an empty password, as services want it that take a token for the user. Raises
    BadNetrc, unless the URL has a password.
    """
    own = in_url(url)
    if own is not None and urlsplit(url).password is not None:
        return basic(*own)
    parts = urlsplit(url)
    if redirected and not SIGNATURES.isdisjoint(name.lower() for name in parse_qs(parts.query)):
        return None if own is None else basic(*own)
    host = parts.hostname
    found = None if host is None else _in_netrc(host, default=not redirected)
    if found is not None and (own is None or own[0] == found[0]):
        return basic(*found)
    return None if own is None else basic(*own)


def netrc_path() -> str | None:
    """The file that `NETRC` names, or the first of the usual ones that is there; else None."""
    named = os.environ.get("NETRC")
    paths = map(os.path.expanduser, NETRC_FILES if named is None else (named,))
    return next(filter(os.path.exists, paths), None)


def _in_netrc(host: str, *, default: bool) -> tuple[bytes, bytes] | None:
    path = netrc_path()
    if path is None:
        return None
    import netrc

    try:
        read = netrc.netrc(path)
        found = read.authenticators(host) if default or host in read.hosts else None
    except netrc.NetrcParseError as error:
        line = "" if error.lineno is None else f", line {error.lineno}"
        raise BadNetrc(f"{path}{line}: it is not understood") from None
    except OSError as error:
        raise BadNetrc(f"{path}: {(error.strerror or 'it fails').lower()}") from None
    except ValueError:
        raise BadNetrc(f"{path}: it is not text") from None
    if found is None or not any(found):
        return None
    user, account, password = found
    return _bytes(user or account or ""), _bytes(password or "")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
