"""The restart of the unit that the command itself runs in: the last thing that it does."""

from __future__ import annotations

from packager.api import Request, activate, own_restart_to_come

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.applying.context import ApplyContext
    from provisioner.runs.run import Run


def write_down_own_restart(context: ApplyContext, run: Run) -> None:
    """Record it, if it is due. Raises PackagerError."""
    unit = context.restarter.postponed
    if unit is not None:
        context.writer.set_own_restart(run, own_restart_to_come(unit))


def restart_own_unit(context: ApplyContext) -> None:
    """Restart it, if that is due and written down. What follows is for the next apply: this one is
    about to be ended, and goes on until then. Event: `restarting-itself` (unit). Raises
    PackagerError."""
    restarter = context.restarter
    unit = restarter.postponed
    if unit is None:
        return
    context.emit("restarting-itself", unit=unit)
    active = context.active_generation()
    if restarter.is_postponed_by_packager and active is not None:
        request = Request(
            "activate", list(active.packages), roles=active.roles, options=context.options.host
        )
        activate(context.root, request, context.emit_observed)
    else:
        restarter.restart_own(unit)
