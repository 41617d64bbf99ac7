"""What an effect gives back to the controller."""

from __future__ import annotations

from dataclasses import dataclass

from packager.base.errors import PackagerError

from rollout.core.host_states import HostEvent
from rollout.core.outcomes import ToldFence

RETRY_SECONDS = 5.0  # after a host that could not be reached, or asked for patience
ASK_SECONDS = 2.0  # between two questions to a host that is at work


@dataclass(frozen=True)
class Answer:
    """event: what moves the host on; None: nothing does. failed: a failure, whose meaning depends
    on the attempts that are left; rolled_back, final: as `verdict` has them. rest: seconds for
    which the host is let alone. resight: whether the master is looked at before anything else is
    done with it. given_back: this rollout has taken it no longer. silent: it could not be asked.
    well: it was asked whether it is, and is. worse: it is not, and why.
    """

    event: HostEvent | None = None
    cause: str = ""
    failed: bool = False
    rolled_back: bool = False
    final: bool = False
    rest: float = 0.0
    resight: bool = False
    given_back: bool = False
    silent: bool = False
    well: bool = False
    worse: str = ""


class TakenOver(PackagerError):
    """Another controller is at it, so this one stops."""

    exit_code = 7


class Fenced(TakenOver):
    """A host has heard of a controller with a fence as high as this one's, or a higher one."""

    def __init__(self, host: str, told: ToldFence) -> None:
        super().__init__(
            f"{host} obeys fence {told.number} of {told.holder}: another controller is at work, so "
            "this one stops; 'rollout status' tells which"
        )
        self.told = told
