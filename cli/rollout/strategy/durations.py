"""Times as people write them: 90s, 10m, 1h30m."""

from __future__ import annotations

import re

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}  # seconds
PART = re.compile(r"([0-9]+)([dhms])")


def seconds(text: str) -> float:
    """The seconds that a text which fits the schema stands for."""
    return float(sum(int(digits) * UNITS[unit] for digits, unit in PART.findall(text)))


def shown(duration: float) -> str:
    """Seconds as a person would write them; what is less than one is left out."""
    left, parts = int(duration), []
    for unit, size in UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
