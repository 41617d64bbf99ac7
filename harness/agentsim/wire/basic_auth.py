"""HTTP basic authentication as a Mesos agent does it.

Source: libprocess `BasicAuthenticator`, stout `base64.hpp`.
"""

from __future__ import annotations

import binascii
import hmac
import re

_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")


def authenticate(headers: dict[bytes, bytes], credentials: dict[bytes, bytes]) -> bytes | None:
    """The principal that a request's Authorization header proves, or None.

    The scheme is compared with its case, and a secret ends where the header's value does: what
    stands behind a second colon belongs to no one.
    """
    scheme, _, encoded = headers.get(b"authorization", b"").partition(b" ")
    if scheme != b"Basic":
        return None
    # stout's decoder skips white space, stops at the first "=" and needs no padding.
    digits = encoded.partition(b"=")[0].translate(None, b"\t\v\f\r\n")
    if _BASE64.fullmatch(digits) is None:
        return None
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    parts = binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)).split(b":")
    if len(parts) != 2:
        return None
    # In the same time whatever the secret is, and whether or not there is such a principal.
    secret = credentials.get(parts[0])
    if not hmac.compare_digest(secret or b"", parts[1]) or secret is None:
        return None
    return parts[0]


def challenge(realm: str) -> tuple[str, str]:
    """The header that asks for credentials."""
    return "WWW-Authenticate", f'Basic realm="{realm}"'
