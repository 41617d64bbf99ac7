"""JSON from others, read strictly: what other programs would take differently is refused.

No object has a name twice, NaN and its kin are no numbers (RFC 8259, 6), and no number is longer
than others can hold, so that what one part of this program has taken another can read again.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DIGITS = 17  # of a whole number
MAX_SHOWN_CHARACTERS = 80  # characters of a name, in a message


def finite(digits: str) -> float:
    """The number. Raises ValueError for one that a float can't hold."""
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def loads(text: str, *, parse_float: Callable[[str], float] = finite) -> object:
    """The value in `text`. Raises ValueError, in words; RecursionError if it is nested too deeply.

    parse_float: for numbers with a fraction or an exponent; raises ValueError.
    """
    return json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_constant,
        parse_int=_integer,
        parse_float=parse_float,
    )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:MAX_SHOWN_CHARACTERS]!r} is given twice")
            seen.add(key)
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits; {MAX_DIGITS} are allowed")
    return int(digits)
