"""Versions in order, and ranges of them: what `requires` and its kin may say beside a name.

*Order.* A version that begins with a digit (or `v` and a digit) has one, unless it is a hash (40 or
64 hexadecimal digits). It is cut into runs of digits and of letters; other characters only
separate. Runs are compared one by one, numbers by value, words as text. A version that ends where
the other goes on is the smaller one, except before the words dev, snapshot, alpha, beta, pre,
preview and rc, which come before a release. Zeros at the end do not count. So:

    1.0dev < 1.0alpha1 < 1.0rc1 < 1.0 = 1.0.0 < 1.0a < 1.0_hotfix2 < 1.0.1 < 1.2 < 1.10

Anything else (`setup`, `ffddcfb5…`) has no order: it can be compared only with `=` and `!=`.

*Range.* `*`, or comparisons between commas that must all hold: `>=1.2, <2, !=1.7`. Operators are
`=` (the very same version; a bare version means it too), `!=`, `<`, `<=`, `>`, `>=`.
"""

from __future__ import annotations

from packager.package.package_id import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Key: TypeAlias = tuple[tuple[int, int, str], ...]
    Range: TypeAlias = tuple[tuple[str, str], ...]

HASH_LENGTHS = (40, 64)
HEXADECIMAL = "0123456789abcdef"
EARLY = {"dev": 0, "snapshot": 0, "alpha": 1, "beta": 2, "pre": 3, "preview": 3, "rc": 4}
OPERATORS = (">=", "<=", "!=", "=", ">", "<")  # the longer ones first

# What a run is, in the order of its first differences: early word, end, other word, number.
_EARLY, _END, _WORD, _NUMBER = range(4)


def key(version: str) -> Key | None:
    """What orders `version` among others that have an order; None: it has none."""
    text = version[1:] if version[:1] in ("v", "V") else version
    if not text[:1].isdigit():
        return None
    if len(version) in HASH_LENGTHS and not version.strip(HEXADECIMAL):
        return None
    found: list[tuple[int, int, str]] = []
    for run in _runs(text):
        if run.isdigit():
            digits = run.lstrip("0")  # Python takes no number of any length
            found.append((_NUMBER, len(digits), digits))
            continue
        _drop_zeros(found)
        word = run.lower()
        early = EARLY.get(word)
        found.append((_WORD, 0, word) if early is None else (_EARLY, early, ""))
    _drop_zeros(found)
    found.append((_END, 0, ""))
    return tuple(found)


def parse_range(text: str) -> Range:
    """The comparisons of a range: (operator, version). Raises ValueError, in words."""
    if text.strip() == "*":
        return ()
    comparisons = []
    for part in text.split(","):
        comparison = part.strip()
        operator = next((each for each in OPERATORS if comparison.startswith(each)), "")
        version = comparison[len(operator) :].strip()
        operator = operator or "="
        if not version or version.strip(VERSION):
            raise ValueError(
                f"{comparison!r} is not a comparison with a version, such as >=1.2 or =1.0"
            )
        if operator not in ("=", "!=") and key(version) is None:
            raise ValueError(f"{version!r} has no order: it can be compared only with = and !=")
        comparisons.append((operator, version))
    return tuple(comparisons)


def contains(comparisons: Range, version: str) -> bool:
    """Whether `version` is in the range. One without an order is in none that asks for order."""
    return all(_holds(version, operator, bound) for operator, bound in comparisons)


def _holds(version: str, operator: str, bound: str) -> bool:
    if operator == "=":
        return version == bound
    if operator == "!=":
        return version != bound
    mine, other = key(version), key(bound)
    if mine is None or other is None:
        return False
    if operator == "<":
        return mine < other
    if operator == "<=":
        return mine <= other
    if operator == ">":
        return mine > other
    return mine >= other


def _runs(text: str) -> list[str]:
    runs: list[str] = []
    kind = ""
    for character in text:
        now = "digit" if character.isdigit() else "letter" if character.isalpha() else ""
        if now and now == kind:
            runs[-1] += character
        elif now:
            runs.append(character)
        kind = now
    return runs


def _drop_zeros(found: list[tuple[int, int, str]]) -> None:
    """Take the zeros from the end, but never the first number."""
    while len(found) > 1 and found[-1] == (_NUMBER, 0, ""):
        found.pop()
