"""The policy of a route: what its commands may use, how long, and how the answer is given.

A policy field stands in a route, or in the table's `defaults` for all routes. `response`, `queue`,
`limits` and `statuses` are merged key by key; every other field of a route replaces the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypedDict, cast

from agentsim.core.status_names import REASON_PHRASES
from agentsim.core.table_errors import member
from agentsim.core.table_reader import MAX_INTEGER, TableReader, fields

MIB: Final = 1 << 20
GIB: Final = 1 << 30
MAX_TIMEOUT: Final = 86_400
# libprocess queues a stream for a slow reader without bound, so its total is what must be bounded.
MAX_STREAM_BYTES: Final = GIB

MAX_PRINCIPALS: Final = 1000
MAX_PRINCIPAL_BYTES: Final = 255

NDJSON: Final = "application/x-ndjson"
_TOKEN: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"
)

POLICY_FIELDS: Final = (
    "stdin",
    "max_body",
    "response",
    "timeout",
    "idle_timeout",
    "grace",
    "concurrency",
    "queue",
    "disconnect",
    "limits",
    "working_directory",
    "realm",
    "principals",
    "statuses",
)
# name -> least and greatest value
_LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    "address_space": (1, MAX_INTEGER),
    "cpu": (1, MAX_INTEGER),
    "file_size": (0, MAX_INTEGER),
    "open_files": (3, MAX_INTEGER),
    "processes": (0, MAX_INTEGER),
    "core": (0, MAX_INTEGER),
    "nice": (-20, 19),
}

# What an invocation may answer with: final, followed by a body, and complete without a header that
# only the host could know (Location, WWW-Authenticate, Allow).
_SUCCESSES: Final = (200, 201, 202, 203)
_ERRORS: Final = tuple(
    status for status in REASON_PHRASES if status >= 400 and status not in (401, 405, 407)
)


@dataclass(frozen=True, slots=True)
class Limits:
    """setrlimit(2) limits (soft and hard), umask(2) and nice(2); None: as the host has it."""

    address_space: int | None = None
    cpu: int | None = None
    file_size: int | None = None
    open_files: int | None = None
    processes: int | None = None
    core: int | None = None
    umask: int | None = None
    nice: int | None = None


class Fields(TypedDict, total=False):
    """The policy fields that are written in one place, flat."""

    stdin: str
    max_body: int
    type: str
    delivery: str
    max_bytes: int
    timeout: float
    idle_timeout: float | None
    grace: float
    concurrency: int
    queue_length: int
    queue_seconds: float
    disconnect: str
    limits: dict[str, int]
    working_directory: str
    realm: str | None
    principals: tuple[str, ...]
    statuses: dict[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """All policy fields of one route, resolved. Times in seconds, sizes in bytes."""

    stdin: str
    max_body: int
    type: str
    delivery: str
    max_bytes: int
    timeout: float
    idle_timeout: float | None
    grace: float
    concurrency: int
    queue_length: int
    queue_seconds: float
    disconnect: str
    limits: Limits
    working_directory: str
    realm: str | None
    principals: tuple[str, ...]
    statuses: Mapping[int, int]


def read_policy(reader: TableReader, place: str, value: Mapping[str, object]) -> Fields:
    """The policy fields among those of the object at `place`; a broken one is left out."""
    found: dict[str, object] = {}

    def keep(name: str, item: object) -> None:
        if item is not None:
            found[name] = item

    for name, item in fields(value, *POLICY_FIELDS):
        inner = member(place, name)
        match name:
            case "stdin":
                keep(name, reader.choice(inner, item, ("none", "body")))
            case "disconnect":
                keep(name, reader.choice(inner, item, ("kill", "finish")))
            case "max_body":
                keep(name, reader.integer(inner, item, 0, MAX_INTEGER))
            case "concurrency":
                keep(name, reader.integer(inner, item, 1, 10_000))
            case "timeout":
                keep(name, reader.seconds(inner, item, MAX_TIMEOUT))
            case "grace":
                keep(name, reader.seconds(inner, item, 3600, zero=True))
            case "idle_timeout":
                found[name] = None if item is None else reader.seconds(inner, item, MAX_TIMEOUT)
            case "realm":
                found[name] = None if item is None else _read_realm(reader, inner, item)
            case "principals":
                found[name] = () if item is None else _read_principals(reader, inner, item)
            case "working_directory":
                keep(name, _read_directory(reader, inner, item))
            case "response":
                found |= _read_response(reader, inner, item)
            case "queue":
                found |= _read_queue(reader, inner, item)
            case "limits":
                found[name] = _read_limits(reader, inner, item)
            case _:
                found[name] = _read_statuses(reader, inner, item)
    return cast(Fields, found)


def resolve(reader: TableReader, place: str, defaults: Fields, own: Fields) -> Policy:
    """The policy of the route at `place`: its own fields over the defaults over the built-in."""
    merged: Fields = {**defaults, **own}
    delivery = merged.get("delivery", "whole")
    streams = delivery == "stream"
    stdin = merged.get("stdin", "none")
    type_ = merged.get("type", NDJSON if streams else "application/json")
    max_bytes = merged.get("max_bytes", 16 * MIB if streams else GIB)
    if streams and type_ != NDJSON:
        reader.add(place, "conflict", f"a stream ends with an exit record, so its type is {NDJSON}")
    if streams and max_bytes > MAX_STREAM_BYTES:
        reader.add(place, "conflict", f"a stream has at most {MAX_STREAM_BYTES} bytes")
    if stdin == "none" and own.get("max_body", 0) > 0:
        reader.add(
            member(place, "max_body"), "conflict", 'a body is taken only with "stdin": "body"'
        )
    return Policy(
        stdin=stdin,
        max_body=merged.get("max_body", MIB) if stdin == "body" else 0,
        type=type_,
        delivery=delivery,
        max_bytes=max_bytes,
        timeout=merged.get("timeout", 60.0),
        idle_timeout=merged.get("idle_timeout"),
        grace=merged.get("grace", 5.0),
        concurrency=merged.get("concurrency", 64),
        queue_length=merged.get("queue_length", 0),
        queue_seconds=merged.get("queue_seconds", 10.0),
        disconnect=merged.get("disconnect", "kill"),
        limits=Limits(**{**defaults.get("limits", {}), **own.get("limits", {})}),
        working_directory=merged.get("working_directory", "/"),
        realm=merged.get("realm"),
        principals=merged.get("principals", ()),
        statuses={**defaults.get("statuses", {}), **own.get("statuses", {})},
    )


def _read_realm(reader: TableReader, place: str, value: object) -> str | None:
    realm = reader.string(place, value)
    if realm is not None and not _fits(realm, 255, '"\\'):
        reader.add(
            place, "value", 'a realm has 1 to 255 printable ASCII characters, without " and \\'
        )
        return None
    return realm


def _read_principals(reader: TableReader, place: str, value: object) -> tuple[str, ...]:
    principals: list[str] = []
    for index, item in enumerate(reader.sequence(place, value, 1, MAX_PRINCIPALS) or ()):
        inner = member(place, index)
        name = reader.string(inner, item)
        if name is None:
            continue
        if not 0 < len(name.encode()) <= MAX_PRINCIPAL_BYTES:
            reader.add(inner, "value", f"a principal has 1 to {MAX_PRINCIPAL_BYTES} bytes")
        elif name in principals:
            reader.add(inner, "duplicate-value", "this principal is there twice")
        else:
            principals.append(name)
    return tuple(principals)


def _fits(text: str, length: int, without: str) -> bool:
    return 0 < len(text) <= length and all(" " <= c <= "~" and c not in without for c in text)


def _read_directory(reader: TableReader, place: str, value: object) -> str | None:
    directory = reader.string(place, value)
    if directory is not None and not directory.startswith("/"):
        reader.add(place, "value", "the working directory is an absolute path, such as /")
        return None
    return directory


def _read_response(reader: TableReader, place: str, value: object) -> dict[str, object]:
    found: dict[str, object] = {}
    response = reader.mapping(place, value, known=("type", "delivery", "max_bytes")) or {}
    for name, item in fields(response, "type", "delivery", "max_bytes"):
        inner = member(place, name)
        match name:
            case "type":
                read: object = _read_media_type(reader, inner, item)
            case "delivery":
                read = reader.choice(inner, item, ("whole", "stream"))
            case _:
                read = reader.integer(inner, item, 1, MAX_INTEGER)
        if read is not None:
            found[name] = read
    return found


def _read_media_type(reader: TableReader, place: str, value: object) -> str | None:
    """type/subtype, then parameters as `; name=token` (RFC 9110, 8.3.1), the blank optional."""
    text = reader.string(place, value)
    if text is None:
        return None
    essence, *parameters = text.replace("; ", ";").split(";")
    tokens = essence.split("/")
    for parameter in parameters:
        tokens.extend(parameter.split("="))
    if (
        essence.count("/") != 1
        or any(parameter.count("=") != 1 for parameter in parameters)
        or not all(token and _TOKEN.issuperset(token) for token in tokens)
        or len(text) > 255
    ):
        reader.add(
            place, "value", "a media type such as application/json or text/plain; charset=utf-8"
        )
        return None
    return text


def _read_queue(reader: TableReader, place: str, value: object) -> dict[str, object]:
    found: dict[str, object] = {}
    queue = reader.mapping(place, value, known=("length", "seconds")) or {}
    if "length" in queue:
        length = reader.integer(member(place, "length"), queue["length"], 0, 100_000)
        if length is not None:
            found["queue_length"] = length
    if "seconds" in queue:
        seconds = reader.seconds(member(place, "seconds"), queue["seconds"], 3600)
        if seconds is not None:
            found["queue_seconds"] = seconds
    return found


def _read_limits(reader: TableReader, place: str, value: object) -> dict[str, int]:
    found: dict[str, int] = {}
    limits = reader.mapping(place, value, known=(*_LIMITS, "umask")) or {}
    for name, item in fields(limits, *_LIMITS):
        number = reader.integer(member(place, name), item, *_LIMITS[name])
        if number is not None:
            found[name] = number
    if "umask" in limits:
        inner = member(place, "umask")
        text = reader.string(inner, limits["umask"])
        if text is not None and _is_umask(text):
            found["umask"] = int(text, 8)
        elif text is not None:
            reader.add(inner, "value", 'a umask is three octal digits in a string, such as "022"')
    return found


def _is_umask(text: str) -> bool:
    digits = text.removeprefix("0") if len(text) == 4 else text
    return len(digits) == 3 and all("0" <= digit <= "7" for digit in digits)


def _read_statuses(reader: TableReader, place: str, value: object) -> dict[int, int]:
    found: dict[int, int] = {}
    for key, item in (reader.mapping(place, value) or {}).items():
        inner = member(place, key)
        if not _is_exit_code(key):
            reader.add(inner, "value", 'an exit code is "0" to "255", without leading zeros')
            continue
        status = reader.integer(inner, item, 100, 599)
        if status is None:
            continue
        if status not in (_SUCCESSES if key == "0" else _SUCCESSES + _ERRORS):
            least = "200, 201, 202 or 203"
            reader.add(
                inner,
                "value",
                f"exit status 0 is a success: {least}"
                if key == "0"
                else f"{least}, or an error that libprocess has a name for, such as 409",
            )
            continue
        found[int(key)] = status
    return found


def _is_exit_code(key: str) -> bool:
    return (
        0 < len(key) <= 3
        and key.isascii()
        and key.isdigit()
        and (key == "0" or key[0] != "0")
        and int(key) <= 255
    )
