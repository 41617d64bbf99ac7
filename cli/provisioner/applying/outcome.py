"""How the steps of an apply end, and what that means for the run: a pure decision.

both steps succeed                                    APPLIED
change fails, the set was never made active           FAILED; INTERRUPTED if the run before was
                                                      interrupted: the next apply goes on
a step fails, and the profile says `keep`             KEPT
a step fails, and the set was active before the run   NOTHING_TO_RESTORE
a step fails otherwise                                ROLL_BACK
"""

from __future__ import annotations

from provisioner.profile.model import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.errors import PackagerError

CHANGE, GATE = "change", "gate"  # steps

# What is to be done about a run whose steps have ended.
APPLIED = "applied"
FAILED = "failed"
INTERRUPTED = "interrupted"
KEPT = "kept"
NOTHING_TO_RESTORE = "nothing to restore"
ROLL_BACK = "roll back"


class StepOutcome:
    """How a step has ended. changed: whether anything was done to the host. error: None: it has
    succeeded."""

    __slots__ = ("changed", "error", "step")

    def __init__(self, step: str, *, changed: bool, error: PackagerError | None = None) -> None:
        self.step = step
        self.changed = changed
        self.error = error


def decide_ending(
    outcome: StepOutcome,
    *,
    on_failure: str,
    set_is_active: bool,
    active: int | None,
    before: int | None,
    was_interrupted: bool,
) -> str:
    """What is to be done about the run.

    on_failure: of the profile. set_is_active: whether the run's set is active now. active, before:
    the numbers of the active generation, and of the one to go back to (None: no set).
    was_interrupted: whether the run before this one was.
    """
    if outcome.error is None:
        return APPLIED
    if outcome.step == CHANGE and (not set_is_active or before == active):
        return INTERRUPTED if was_interrupted else FAILED
    if on_failure == KEEP:
        return KEPT
    if before is not None and before == active:
        return NOTHING_TO_RESTORE
    return ROLL_BACK
