"""Mistakes in a route table: what is wrong, and where.

Two rules hold here. A reader of a table reports every mistake, not the first one. And a mistake
has a `code` that programs compare and a `reason` that people read; only the code is contract.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a table: `place` is a JSON pointer (RFC 6901), empty for the whole file."""

    file: str
    place: str
    code: str
    reason: str

    def __str__(self) -> str:
        """`file: place: reason` in one line that a terminal can show."""
        return f"{_shown(self.file)}: {_shown(self.place) or '/'}: {_shown(self.reason)}"


class TableError(Exception):
    """A table that must not be served; `mistakes` holds every mistake, sorted by place."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def member(place: str, key: str | int) -> str:
    """The JSON pointer of `key` inside the value at `place`."""
    return f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}"


def by_place(mistake: Mistake) -> tuple[list[tuple[int, str]], str]:
    """Sort key: by pointer, token by token; indexes before names, and as numbers."""
    tokens = mistake.place.split("/")
    return [
        (len(token) if token.isascii() and token.isdigit() else 1 << 20, token) for token in tokens
    ], mistake.code
