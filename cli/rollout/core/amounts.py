"""So many hosts, or such a part of them.

Percentages are whole thousandths of a percent, so that no rounding of a float decides over a host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PERCENTAGE = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?%")
WHOLE = 100_000  # thousandths of a percent


@dataclass(frozen=True)
class Count:
    """So many hosts."""

    hosts: int

    def __str__(self) -> str:
        return str(self.hosts)


@dataclass(frozen=True)
class Percentage:
    """A part of the hosts: from 0 to WHOLE."""

    thousandths: int

    def __str__(self) -> str:
        percent, rest = divmod(self.thousandths, 1000)
        fraction = f".{rest:03}".rstrip("0") if rest else ""
        return f"{percent}{fraction}%"


Amount = Count | Percentage
ALL = Percentage(WHOLE)


def parse_amount(value: object) -> Amount:
    """The amount that a document has: a whole number from 0 on, or a text such as `2.5%`. Raises
    ValueError, in words."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Count(value)
    if isinstance(value, str):
        found = PERCENTAGE.fullmatch(value)
        if found:
            thousandths = int(found[1]) * 1000 + int((found[2] or "0").ljust(3, "0"))
            if thousandths <= WHOLE:
                return Percentage(thousandths)
    raise ValueError("a number of hosts, or a percentage such as 2.5%, at most 100%")


def rounded_up(amount: Amount, total: int) -> int:
    """How many of `total` hosts that is, at least."""
    if isinstance(amount, Count):
        return min(amount.hosts, total)
    return -(-amount.thousandths * total // WHOLE)


def rounded_down(amount: Amount, total: int) -> int:
    """How many of `total` hosts that is, at most."""
    if isinstance(amount, Count):
        return min(amount.hosts, total)
    return amount.thousandths * total // WHOLE
