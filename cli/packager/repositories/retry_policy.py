"""Deciding about HTTP answers: what one means for a download, whether and when to try again.

Pure functions of status, headers and what is on disk already; `download` carries the decisions out.
Sources: RFC 9110 (statuses, Range, If-Range, Retry-After, validators).
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass

# The request may succeed when it is repeated: a time-out, too early, too many, a passing failure.
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True)
class Policy:
    """How patient a download is, and how large it may get. Times in seconds, sizes in bytes."""

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    retries: int = 4
    max_size: int = 16 << 30
    first_delay: float = 0.5
    longest_delay: float = 30.0


@dataclass(frozen=True)
class Body:
    """The answer holds the archive's bytes from `start` on; `total` is its whole size, if told."""

    start: int
    total: int | None


@dataclass(frozen=True)
class StartOver:
    """What is on disk is no use for going on: ask again, for all of it."""


@dataclass(frozen=True)
class TryAgain:
    """A passing failure; `wait` is how many seconds the server asks to wait, if it does."""

    reason: str
    wait: float | None


@dataclass(frozen=True)
class Refusal:
    """A final answer without the archive; `kind` tells which of the exit codes it is."""

    kind: str  # "not-found" (66), "forbidden", "denied" (77), "unavailable" (69), "protocol" (76)
    reason: str


@dataclass(frozen=True)
class Resumption:
    """What it takes to go on where a body broke: the validator that If-Range will carry ("" where
    the whole is bound by its hash, so that it does not matter whose bytes these are)."""

    validator: str
    total: int | None


def judge(
    status: int,
    reason: str,
    headers: Mapping[str, str],
    *,
    offset: int,
    resumption: Resumption | None,
    now: float,
) -> Body | StartOver | TryAgain | Refusal:
    """What an answer means to a client that has `offset` bytes and asked to resume there (or not).

    headers: looked up case-insensitively by the mapping. now: Unix time, for dates.
    """
    said = f"{status} {reason}".rstrip()
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    if coding not in ("", "chunked", "identity"):  # what libraries give is not the body then
        return Refusal("protocol", f"the server answered {said} in another coding than chunked")
    if status in (200, 203):
        return Body(0, _length(headers))
    if resumption is not None:
        if status == 206:
            return _resumed(headers, offset, resumption)
        if status in (412, 416):
            return StartOver()
    if status in RETRYABLE:
        return TryAgain(f"the server answered {said}", retry_after(headers, now))
    if status in (404, 410):
        return Refusal("not-found", f"the server answered {said}")
    if status == 403:  # of what there is not, too: where the client may not list (S3)
        return Refusal("forbidden", f"the server answered {said}")
    if status in (401, 407, 451):
        return Refusal("denied", f"the server answered {said}")
    if status >= 500:
        return Refusal("unavailable", f"the server answered {said}")
    return Refusal("protocol", f"the server answered {said}, which is not valid for a download")


def _resumed(headers: Mapping[str, str], offset: int, resumption: Resumption) -> Body | StartOver:
    matched = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if matched is None or int(matched[1]) != offset:
        return StartOver()
    total = resumption.total if matched[3] == "*" else int(matched[3])
    if total is None or int(matched[2]) != total - 1:
        return StartOver()  # not all of the rest; one whole answer is simpler than many parts
    if resumption.total not in (None, total):
        return StartOver()
    tag = headers.get("ETag")
    if tag is not None and resumption.validator.startswith('"') and tag != resumption.validator:
        return StartOver()
    return Body(offset, total)


def resumption(headers: Mapping[str, str]) -> Resumption | None:
    """How a download with this 200 answer could be resumed; None: only from the beginning.

    A validator must be strong: an ETag that is not weak, or a Last-Modified at least a second
    older than the answer's Date (RFC 9110, 8.8.2.2).
    """
    if headers.get("Accept-Ranges", "bytes").strip().lower() == "none":
        return None
    tag = headers.get("ETag", "")
    if len(tag) >= 2 and tag[0] == tag[-1] == '"':
        return Resumption(tag, _length(headers))
    if tag:
        return None
    modified, date = headers.get("Last-Modified", ""), headers.get("Date", "")
    modified_at, answered_at = _http_date(modified), _http_date(date)
    if modified_at is None or answered_at is None or answered_at - modified_at < 1:
        return None
    return Resumption(modified, _length(headers))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that Retry-After asks for, from a number or a date; None without a readable one."""
    value = headers.get("Retry-After", "").strip()
    if _LENGTH.fullmatch(value):
        return float(value)
    date = _http_date(value)
    return None if date is None else max(0.0, date - now)


def back_off(attempt: int, first: float, longest: float, jitter: float) -> float:
    """Seconds to wait before retry number `attempt` (from 0): doubling, and `jitter` in [0, 1)
    spreads hosts that failed together over the upper half of it."""
    return float(min(longest, first * 2 ** min(attempt, 32)) * (0.5 + jitter / 2))


def from_cache(headers: Mapping[str, str]) -> bool:
    """Whether a cache on the way had the answer: Age says so (RFC 9111, 5.1), or X-Cache does."""
    return "Age" in headers or "hit" in headers.get("X-Cache", "").lower()


def _length(headers: Mapping[str, str]) -> int | None:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return None  # which overrides a length (RFC 9112, 6.3)
    value = headers.get("Content-Length", "").strip()
    return int(value) if _LENGTH.fullmatch(value) else None


def _http_date(value: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
