"""The step `change`: the host is brought to the desired state."""

from __future__ import annotations

import io
from contextlib import contextmanager

from packager.api import activate, static_units
from packager.base.debug_log import debug
from packager.base.errors import PackagerError

from provisioner.applying.outcome import CHANGE, StepOutcome
from provisioner.applying.package_repair import repair_packages_and_links
from provisioner.applying.unit_repair import repair_units
from provisioner.base.failures import failure
from provisioner.planning.activation_plan import activation_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from provisioner.applying.context import ApplyContext
    from provisioner.desired.desired_state import DesiredState
    from provisioner.runs.run import Run


def change(context: ApplyContext, desired: DesiredState, run: Run) -> StepOutcome:
    """Repair, activate, restart. A failure is the outcome's `error`; OSError is raised, and
    signals: they leave the run pending."""
    try:
        return StepOutcome(CHANGE, changed=_change(context, desired, run))
    except PackagerError as error:
        code = error.exit_code
        debug(lambda: f"change: failed with exit code {code}")
        return StepOutcome(CHANGE, changed=True, error=error)


def _change(context: ApplyContext, desired: DesiredState, run: Run) -> bool:
    """Whether anything was done."""
    root, options, restarter = context.root, context.options, context.restarter

    def open_archive(package_id: str) -> Iterator[BinaryIO]:
        return _open_archive(context, desired, package_id)

    repaired = repair_packages_and_links(
        root,
        desired.all_packages,
        contextmanager(open_archive),
        context.emit,
        quick=options.quick,
        discard=options.discard,
    )
    plan = activate(root, activation_request(desired, context.host), context.emit_observed)
    generations = run.record["generation"]
    context.writer.set_generations(run, {**generations, "after": plan.target.number})
    required = {unit for each in desired.configuration.files for unit in each.restart}
    active = context.active_generation()
    static = static_units(active, context.host) if active is not None else set()
    restarted = run.record["own_restart"]
    units = [each for each in run.record["restart"] if not restarted or each != restarted["unit"]]
    restarter.restart(units, required=required, static=static)
    units_repaired = repair_units(root, context.host, context.emit_observed)
    debug(
        lambda: (
            f"change: activated {plan.changed}, packages or links repaired {repaired}, units "
            f"repaired {units_repaired}, units restarted {restarter.has_restarted}"
        )
    )
    return plan.changed or repaired or units_repaired or restarter.has_restarted


def _open_archive(
    context: ApplyContext, desired: DesiredState, package_id: str
) -> Iterator[BinaryIO]:
    """A fresh archive of a package of the set: rendered, or downloaded."""
    if package_id == desired.configuration.package_id:
        yield io.BytesIO(desired.configuration.archive)
        return
    from packager.api import candidate_archive

    try:
        candidate = context.resolver.repositories().find(package_id)
    except PackagerError as error:
        raise failure(
            f"{package_id} has changed in the store, and there is no fresh one: {error}; or "
            "deactivate and remove it, and add it again",
            error.exit_code,
        ) from error
    policy = context.options.download_policy
    with candidate_archive(context.store, candidate, policy, context.emit) as (file, _source):
        yield file
