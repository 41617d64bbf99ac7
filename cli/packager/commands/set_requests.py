"""From the words of a command line to the request for another set of packages."""

from __future__ import annotations

from packager.activation.planning import Request
from packager.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from packager.host.options import HostOptions


def rollback_request(numbers: Sequence[int], options: HostOptions) -> Request:
    """The request of rollback. Raises UsageError for more than one number."""
    if len(numbers) > 1:
        raise UsageError("rollback goes back to one generation; give one number")
    return Request("rollback", [str(number) for number in numbers], options=options)


def parse_roles(word: str | None) -> tuple[str, ...] | None:
    """The value of --roles: None if it is not given."""
    return None if word is None else tuple(sorted({each for each in word.split(",") if each}))
