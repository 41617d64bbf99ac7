"""Brings the host to the state that a profile describes. One apply at a time, under
ROOT/provisioner/lock.

    1  preparation    resolve, render; download what is missing; put the configuration's package
       (see there)    into the store; refuse what can't become active. Nothing of this touches what
                      is active; after a kill the packages stay in the store, and the next apply has
                      less to download.
    2  begin          a run is written, with the generation to go back to and the units to restart;
                      `pending` leads to it
    3  change         damaged trees are exchanged; packager activates the set in one step; units
                      whose configuration has changed are restarted, stopped ones are started
    4  gate           the health conditions of the profile
    5  finish         `applied` leads to the run, its record gets the outcome, `pending` is deleted
       or roll back   the generation before is activated, its units are restarted; the record says
                      why; `applied` stays; `pending` is deleted

What a kill (or a power loss) leaves, and what the next apply does about it:

    pending  active         killed in     the next apply of the same profile, or of another one
    -        as before      1             begins anew
    run n    as n found it  2, 3, back    begins anew; rolls back, if it must, to n's "before"
    run n    as in run n    3, 4, 5       finds the set active; restarts what n had to restart, too;
                                          goes through the gate; rolls back to n's "before"
    run n    something else               packager was used meanwhile: what is active now is what it
                                          rolls back to

So the host is never rolled back to a set that has not been through the gate; and until an apply has
ended, `pending` says so. A signal leaves what a kill leaves, without what was staged.
"""

from __future__ import annotations

from packager.api import has_tree

from provisioner.applying.change import change
from provisioner.applying.finish_or_roll_back import finish_or_roll_back
from provisioner.applying.health_gate import gate
from provisioner.applying.own_restart import restart_own_unit, write_down_own_restart
from provisioner.applying.preparation import prepared
from provisioner.applying.run_start import run_start
from provisioner.runs import reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Emit

    from provisioner.applying.request import ApplyRequest, ApplyResult
    from provisioner.base.command_options import CommandOptions
    from provisioner.runs.writer import RunWriter


def apply(
    root: str, request: ApplyRequest, writer: RunWriter, options: CommandOptions, emit: Emit
) -> ApplyResult:
    """Carry the request out; the caller holds the lock. Events: those of packager, and `resolved`,
    `rendered`, `run`, `repaired`, `probe`, `rolling-back`.

    Raises PackagerError: what is refused before anything has changed, HealthCheckFailed,
    UnitsFailed.
    """
    packages_were_lost = _are_packages_lost(root)
    with prepared(root, request, writer, options, emit) as preparation:
        context, desired = preparation.context, preparation.desired
        was_damaged = preparation.configuration_was_damaged
        pending = reader.pending_run(root)
        start = run_start(
            context,
            desired,
            preparation.key,
            pending,
            preparation.files_before,
            restart_all=was_damaged,
        )
        run = writer.begin(request.profile, start)
        request.kept.run = run.number
        context.emit("run", run=run.number)
        outcome = change(context, desired, run)
        if outcome.error is None:
            write_down_own_restart(context, run)
            restart_own_unit(context)
            outcome = gate(context, desired, changed=outcome.changed)
        if outcome.error is not None:
            outcome.error = context.redaction.error(outcome.error)
        outcome.changed |= packages_were_lost or was_damaged
        return finish_or_roll_back(context, run, outcome, was_interrupted=pending is not None)


def _are_packages_lost(root: str) -> bool:
    """Whether packages of the applied set are not in the store."""
    applied = reader.applied_run(root)
    return applied is not None and not all(has_tree(root, each) for each in applied.packages)
