"""What a command tells while it works: one flat object an event.

Whoever works (fetching, the store) calls an `Emit` as often as it likes and knows nothing of where
the words go; whoever listens decides what is shown, how often, and in which format.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object  # importing typing takes longer than most of what is done here

Field = str | int | float | bool | None


class Emit(Protocol):
    """Says that something has happened, or how far it has got.

    A listener may raise: BrokenPipeError when nobody reads any more, or OSError when the words
    can't be written. The work is then undone and the error passed on, like any other.
    """

    def __call__(self, event: str, /, **fields: Field) -> None:
        """Tell `event` ("fetching", …) with its fields: sizes in bytes, times in seconds."""
