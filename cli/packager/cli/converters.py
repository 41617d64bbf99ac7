"""How a word of the command line becomes a value: the same for both front ends.

Every converter takes the word as a person typed it and returns the value, or raises `Malformed`
with a sentence that says what was wanted. None looks at the disk, and none imports anything: this
module is on the way of every start.
"""

from __future__ import annotations

from packager.package.package_id import NAME_REST, flaw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_HEX = frozenset("0123456789abcdef")
IDENTIFIER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Malformed(ValueError):
    """A word that can't be the value it stands for; the message says what was wanted."""


def path(word: str) -> str:
    """A path of the file system, or a URL: any word but the empty one."""
    if not word:
        raise Malformed("it is empty")
    return word


def count(word: str) -> int:
    """A whole number from 0 to 10^15, in ASCII digits and without a sign."""
    if not (word.isascii() and word.isdigit()) or len(word) > 15:
        raise Malformed(f"{word!r} is not a non-negative integer")
    return int(word)


def size(word: str) -> int:
    """A number of bytes; K, M, G or T after the digits multiplies by a power of 1024."""
    factor = _SUFFIXES.get(word[-1:], 1)
    digits = word[:-1] if factor > 1 else word
    try:
        return count(digits) * factor
    except Malformed:
        raise Malformed(f"{word!r} is not a number of bytes, such as 1048576, 512M or 2G") from None


def seconds(word: str) -> float:
    """Seconds: digits, possibly a point and more digits; more than 0 and at most a day."""
    whole, point, fraction = word.partition(".")
    well_formed = word.isascii() and whole.isdigit() and (fraction.isdigit() or not point)
    if not well_formed or len(word) > 15 or not 0 < float(word) <= 86400:
        raise Malformed(f"{word!r} is not a number of seconds, more than 0 and at most 86400")
    return float(word)


def sha256(word: str) -> str:
    """A SHA-256 as 64 hexadecimal digits; capitals become small letters."""
    digest = word.lower()
    if len(word) != 64 or not _HEX.issuperset(digest):
        raise Malformed(f"{word!r} is not a SHA-256 (64 hexadecimal digits)")
    return digest


def package_id(word: str) -> str:
    """A package id, `name--version`."""
    reason = flaw(word)
    if reason is not None:
        raise Malformed(f"{word!r} is not a package id: {reason}")
    return word


def package(word: str) -> str:
    """A package id, or the name alone."""
    return word if flaw(f"{word}--1") is None else package_id(word)


def package_or_range(word: str) -> str:
    """A package id, a name, or a name with a range of versions, such as db>=1,<2."""
    at = next((place for place, each in enumerate(word) if each in "<>=!"), None)
    if at is None:
        return package(word)
    reason = flaw(f"{word[:at].rstrip()}--1")
    if reason is not None:
        raise Malformed(f"{word!r} is neither a package id nor a name with a range: {reason}")
    return word


def number(word: str) -> int:
    """A whole number from 1 on."""
    found = count(word)
    if found < 1:
        raise Malformed(f"{word!r} is not a positive integer")
    return found


def identifier(word: str) -> str:
    """An id that another program has made: up to 64 of A-Z a-z 0-9 . _ -."""
    if not 0 < len(word) <= 64 or not IDENTIFIER.issuperset(word):
        raise Malformed(f"{word!r} is not an id: up to 64 of A-Z a-z 0-9 . _ -")
    return word


def roles(word: str) -> str:
    """Roles between commas; the empty word stands for no role."""
    for each in word.split(",") if word else ():
        if not each or each.strip(NAME_REST):
            raise Malformed(
                f"{each!r} is not a role: it has other characters than A-Z a-z 0-9 @._+-"
            )
    return word


CONVERTERS: dict[str, Callable[[str], str | int | float]] = {
    "path": path,
    "count": count,
    "size": size,
    "seconds": seconds,
    "sha256": sha256,
    "id": package_id,
    "package": package,
    "package_or_range": package_or_range,
    "number": number,
    "identifier": identifier,
    "roles": roles,
}
