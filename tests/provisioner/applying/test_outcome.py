"""What is to be done about a run whose steps have ended: the whole table."""

from __future__ import annotations

import pytest
from packager.base.errors import DataError
from provisioner.applying import outcome
from provisioner.applying.outcome import CHANGE, GATE, StepOutcome, decide_ending
from provisioner.profile.model import KEEP, ROLLBACK

ERROR = DataError("it failed")


@pytest.mark.parametrize(
    ("step", "on_failure", "set_is_active", "active", "before", "was_interrupted", "ending"),
    [
        # Nothing was made active: the set before is active still, or the interrupted one.
        (CHANGE, ROLLBACK, False, 1, 1, False, outcome.FAILED),
        (CHANGE, KEEP, False, None, None, False, outcome.FAILED),
        (CHANGE, ROLLBACK, False, 2, 1, True, outcome.INTERRUPTED),
        # The same set was active before: what failed was a repair or a restart.
        (CHANGE, KEEP, True, 1, 1, False, outcome.FAILED),
        (CHANGE, ROLLBACK, True, 1, 1, True, outcome.INTERRUPTED),
        # The set is active, and units failed.
        (CHANGE, ROLLBACK, True, 2, 1, False, outcome.ROLL_BACK),
        (CHANGE, ROLLBACK, True, 1, None, True, outcome.ROLL_BACK),
        (CHANGE, KEEP, True, 2, 1, False, outcome.KEPT),
        # The health check failed.
        (GATE, ROLLBACK, True, 2, 1, False, outcome.ROLL_BACK),
        (GATE, ROLLBACK, True, 1, None, False, outcome.ROLL_BACK),
        (GATE, ROLLBACK, True, None, None, False, outcome.ROLL_BACK),
        (GATE, ROLLBACK, True, 1, 1, False, outcome.NOTHING_TO_RESTORE),
        (GATE, KEEP, True, 1, 1, False, outcome.KEPT),
        (GATE, KEEP, True, 2, 1, True, outcome.KEPT),
    ],
)
def test_a_step_fails(
    step: str,
    on_failure: str,
    set_is_active: bool,
    active: int | None,
    before: int | None,
    was_interrupted: bool,
    ending: str,
) -> None:
    found = decide_ending(
        StepOutcome(step, changed=True, error=ERROR),
        on_failure=on_failure,
        set_is_active=set_is_active,
        active=active,
        before=before,
        was_interrupted=was_interrupted,
    )
    assert found == ending


@pytest.mark.parametrize("on_failure", [ROLLBACK, KEEP])
def test_no_step_fails(on_failure: str) -> None:
    found = decide_ending(
        StepOutcome(GATE, changed=False),
        on_failure=on_failure,
        set_is_active=True,
        active=1,
        before=1,
        was_interrupted=True,
    )
    assert found == outcome.APPLIED
