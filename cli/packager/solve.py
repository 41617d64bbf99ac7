"""Which packages may be active together, by what they require of each other. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.hostplan import Facts


def check(facts_by_id: dict[str, Facts]) -> list[str]:
    """Why this set of ids is not complete or not consistent, one sentence each, in words that a
    person can act on; empty if it is. Called before every activation."""
    del facts_by_id
    return []
