"""A request target becomes path and query, as `http_parser_parse_url` splits it.

Its offsets and lengths are 16 bits wide, so parts of a target of 65,536 bytes or more come out
shortened and from the wrong place.  A host that is to show what production will show has to do the
same: hence `_CUT`.

Source: http-parser 2.6.2 `http_parser_parse_url`, `http_parse_host`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CUT = 0xFFFF  # http_parser_url keeps uint16_t

_PARTS = re.compile(
    rb"(?:[A-Za-z]+://([^/?]*))?"
    rb"([/*][^?#]*)?"
    rb"(?:\?([^#]*))?"
    rb"(?:\#.*)?",
    re.DOTALL,
)
_HOST = re.compile(
    rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9%._~-]+)?\])(?::0*([0-9]{1,5}))?"
)
_USERINFO = re.compile(rb"[A-Za-z0-9\-_.!~*'()%;:&=+$,]*")


class BadTarget(ValueError):
    """The target can't be split; libprocess closes the connection without an answer."""


class Target(NamedTuple):
    """What libprocess keeps of a target; the fragment is dropped."""

    path: bytes
    query: bytes


def split(target: bytes) -> Target:
    """Split a target that the request parser accepted.

    Args:
        target: origin form (`/a?b`), `*`, or absolute form (`http://host/a`).

    Returns:
        Path (empty where there is none) and query, both undecoded.

    Raises:
        BadTarget: an authority without a path behind it, a malformed host, a port over 65535.
    """
    match = _PARTS.fullmatch(target)
    if match is None:
        raise BadTarget(target)
    if match[1] is not None:
        _check_authority(match[1])
    return Target(_cut(target, match, 2), _cut(target, match, 3))


def _cut(target: bytes, match: re.Match[bytes], group: int) -> bytes:
    start, end = match.span(group)
    if start < 0:
        return b""
    length = (end - start) & _CUT
    start &= _CUT
    return target[start : start + length]


def _check_authority(authority: bytes) -> None:
    userinfo, at, host = authority.rpartition(b"@")
    if at and _USERINFO.fullmatch(userinfo) is None:
        raise BadTarget(authority)
    match = _HOST.fullmatch(host)
    if match is None or (match[1] is not None and int(match[1]) > _CUT):
        raise BadTarget(authority)
