"""The last step of an apply: the run is ended, and the host rolled back if a step has failed."""

from __future__ import annotations

from packager.api import Request, activate
from packager.base.debug_log import debug
from packager.base.errors import PackagerError

from provisioner.applying import outcome as endings
from provisioner.applying.own_restart import restart_own_unit, write_down_own_restart
from provisioner.applying.request import ApplyResult
from provisioner.base.failures import failure
from provisioner.runs import reader
from provisioner.runs import run as runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.applying.context import ApplyContext
    from provisioner.applying.outcome import StepOutcome
    from provisioner.runs.run import Run


def finish_or_roll_back(
    context: ApplyContext, run: Run, outcome: StepOutcome, *, was_interrupted: bool
) -> ApplyResult:
    """End the run. was_interrupted: whether the run before was. Raises the error of the step that
    has failed, with what has become of the host."""
    active = context.active_generation()
    ending = endings.decide_ending(
        outcome,
        on_failure=context.request.profile.on_failure,
        set_is_active=active is not None and tuple(active.packages) == run.packages,
        active=active.number if active is not None else None,
        before=run.generation_before,
        was_interrupted=was_interrupted,
    )
    debug(
        lambda: (
            f"run {run.number}: {ending} (step {outcome.step}, on_failure "
            f"{context.request.profile.on_failure}, active {active.number if active else None}, "
            f"before {run.generation_before})"
        )
    )
    if outcome.error is None:
        context.writer.finish(run, runs.APPLIED, None, applied=True)
        return ApplyResult(run, changed=outcome.changed)
    raise _end_failed_run(context, run, outcome.error, ending) from outcome.error


def _end_failed_run(
    context: ApplyContext, run: Run, error: PackagerError, ending: str
) -> PackagerError:
    """The error that says what has become of the host."""
    writer, reason = context.writer, str(error)
    if ending == endings.INTERRUPTED:
        return error  # `pending` stays: the next apply goes on
    if ending == endings.FAILED:
        writer.finish(run, runs.FAILED, reason, applied=False)
        return error
    if ending == endings.KEPT:
        writer.finish(run, runs.UNHEALTHY, reason, applied=True)
        remark = "the host stays as it is now, as the profile says"
    elif ending == endings.NOTHING_TO_RESTORE:
        same_profile = _is_profile_applied(context, run)
        writer.finish(run, runs.UNHEALTHY, reason, applied=same_profile)
        remark = "there is nothing to go back to: this set was active"
    else:
        try:
            remark = _roll_back(context, run, reason)
        except PackagerError as second:
            # `pending` stays: neither of the two sets is known to be healthy.
            reason = f"{reason}\ngoing back failed too: {context.redaction.text(str(second))}"
            writer.set_reason(run, reason)
            remedy = "run 'provisioner apply' again when it is mended"
            return failure(f"{reason}\n{remedy}", second.exit_code)
        write_down_own_restart(context, run)
        writer.finish(run, runs.ROLLED_BACK, reason, applied=False)
        restart_own_unit(context)  # it runs as the failed set has it
    return failure(f"{reason}\n{remark}", error.exit_code)


def _is_profile_applied(context: ApplyContext, run: Run) -> bool:
    applied = reader.applied_run(context.root)
    return applied is not None and applied.record["profile"] == run.record["profile"]


def _roll_back(context: ApplyContext, run: Run, reason: str) -> str:
    """Activate the generation before, and restart its units; what is active now, in words. Event:
    `rolling-back` (generation, reason). Raises PackagerError."""
    before, options = run.generation_before, context.host
    context.emit("rolling-back", generation=before, reason=reason)
    context.restarter.forget_started()
    if before is not None:
        request = Request("rollback", [str(before)], options=options)
        activate(context.root, request, context.emit_observed)
        context.restarter.restart(run.record["restart"])
        return f"the host is as it was before: generation {before} is active"
    active = context.active_generation()
    if active is not None and active.names:
        request = Request("deactivate", list(active.names), options=options)
        activate(context.root, request, context.emit_observed)
    return "the host is as it was before: nothing is active"
