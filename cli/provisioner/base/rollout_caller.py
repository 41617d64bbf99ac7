"""Who asks, if a rollout does: the options by which a controller of many hosts names itself.

A person on the host says none of them, and is refused nothing for that.
"""

from __future__ import annotations

from packager.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NotRequired, TypedDict

    class RolloutOptionValues(TypedDict):
        """The values of the options by dest, as the parser gives them."""

        revision: NotRequired[str | None]
        rollout: str | None
        attempt: NotRequired[int | None]
        fence: int | None
        holder: str | None


class RolloutCaller:
    """revision: what the rollout brings. attempt: of that rollout on this host. fence, holder: the
    controller's number and id; None, where it has none. rollout: None for a person."""

    __slots__ = ("attempt", "fence", "holder", "revision", "rollout")

    def __init__(
        self,
        *,
        rollout: str | None = None,
        revision: str | None = None,
        attempt: int | None = None,
        fence: int | None = None,
        holder: str | None = None,
    ) -> None:
        """Raises UsageError for options that say nothing without others."""
        if (fence is None) != (holder is None):
            raise UsageError("--fence and --holder belong together: say both, or neither")
        if rollout is None and (revision is not None or attempt is not None):
            raise UsageError("--revision and --attempt are of a rollout: say --rollout, too")
        self.rollout = rollout
        self.revision = revision
        self.attempt = attempt
        self.fence = fence
        self.holder = holder
