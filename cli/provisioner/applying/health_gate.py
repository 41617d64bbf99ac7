"""The step `gate`: the apply counts only if the health conditions of the profile are met.

All conditions are checked at once; those that are not met again, `retries` times, `interval`
seconds apart. Each attempt at each of them is an event:

    probe    kind (check, unit, http), name, attempt (from 1), ok, reason, seconds
"""

from __future__ import annotations

import os
import time

from packager.api import package_environment, translated
from packager.base.debug_log import debug
from packager.base.errors import DataError

from provisioner.applying import health_conditions
from provisioner.applying.outcome import GATE, StepOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packager.base.events import Emit

    from provisioner.applying.context import ApplyContext
    from provisioner.applying.health_conditions import Condition
    from provisioner.desired.desired_state import DesiredState
    from provisioner.profile.model import HealthConditions

MAX_REASONS_SHOWN = 10


class HealthCheckFailed(DataError):
    """Conditions are not met (EX_DATAERR)."""


def gate(context: ApplyContext, desired: DesiredState, *, changed: bool) -> StepOutcome:
    """Wait until the conditions are met, or their attempts are used up: then HealthCheckFailed is
    the outcome's error. changed: of the outcome. Raises PackagerError if they can't be determined.
    """
    health, systemd = desired.profile.health, context.options.host.systemd
    active = context.active_generation()
    packages = active.packages if active is not None else {}
    if not systemd and health.units:
        context.emit("warning", message="units are not checked: --no-systemd")
    with translated(context.root):
        conditions = health_conditions.conditions_of(
            context.root, health, packages, systemd=systemd
        )
    debug(lambda: f"gate: {len(conditions)} conditions, {health.retries} retries")
    environment = {**os.environ, **package_environment(context.root, packages)}
    unmet = check_until_met(conditions, health, environment, context.emit)
    if not unmet:
        return StepOutcome(GATE, changed=changed)
    return StepOutcome(GATE, changed=changed, error=HealthCheckFailed(_message(unmet)))


def check_until_met(
    conditions: Sequence[Condition],
    health: HealthConditions,
    environment: Mapping[str, str],
    emit: Emit,
) -> list[Condition]:
    """The conditions that are not met after the last attempt, each with its reason. environment:
    that of the packages' checks."""
    unmet = list(conditions)
    for attempt in range(1, health.retries + 2):
        if attempt > 1:
            time.sleep(health.interval_seconds)
        results = health_conditions.check_all(unmet, health.timeout_seconds, environment)
        for condition, seconds in results:
            emit(
                "probe",
                kind=condition.kind,
                name=condition.name,
                attempt=attempt,
                ok=condition.reason is None,
                reason=condition.reason,
                seconds=round(seconds, 3),
            )
        unmet = [each for each in unmet if each.reason is not None]
        if not unmet:
            break
    return unmet


def _message(unmet: Sequence[Condition]) -> str:
    shown = [f"{each.kind} {each.name}: {each.reason}" for each in unmet[:MAX_REASONS_SHOWN]]
    if len(unmet) > len(shown):
        shown.append(f"and {len(unmet) - len(shown)} more")
    return "the health check failed: " + "\n".join(shown)
