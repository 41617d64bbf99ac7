"""What the record of a run says when it begins: above all, what to go back to."""

from __future__ import annotations

import os
from contextlib import suppress

from packager.api import acting_user, environment_variable
from packager.base.debug_log import debug
from packager.base.errors import NotFound

from provisioner.planning.configuration_changes import restarts_of_applied, units_to_restart
from provisioner.runs import reader
from provisioner.runs.own_restart import restart_that_came, unit_still_to_be_restarted
from provisioner.runs.run import UNHEALTHY
from provisioner.runs.writer import now
from provisioner.status.template_inputs import run_inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packager.api import Generation

    from provisioner.applying.context import ApplyContext
    from provisioner.applying.request import ApplyRequest
    from provisioner.desired.desired_state import DesiredState
    from provisioner.planning.configuration_changes import ActiveFile
    from provisioner.runs.documents import RolloutFields, RunStart, WhoAndWhen
    from provisioner.runs.run import Run


def run_start(
    context: ApplyContext,
    desired: DesiredState,
    key: bytes,
    pending: Run | None,
    files_before: Sequence[ActiveFile],
    *,
    restart_all: bool,
) -> RunStart:
    """The record. key: of keyed digests. pending: the run that was interrupted. files_before: of
    the active configuration. restart_all: restart the units of all its files, changed or not."""
    request, configuration = context.request, desired.configuration
    applied = reader.applied_run(context.root)
    restart = set(units_to_restart(files_before, configuration, restarts_of_applied(applied)))
    for each in configuration.files:
        if restart_all or _is_link_replaced(f"{context.root}/active/{each.path}"):
            restart.update(each.restart)
    if pending is not None:
        restart.update(pending.record["restart"])
    still_due = unit_still_to_be_restarted(context.root)
    if still_due is not None:
        restart.add(still_due)
    active = context.active_generation()
    before = _generation_to_restore(active, pending)
    debug(
        lambda: (
            f"run: interrupted before: {pending.number if pending else None}; goes back to "
            f"generation {before}; restarts {sorted(restart)}"
        )
    )
    return {
        "command": request.command,
        "profile": {"name": request.profile.name, "digest": request.digest},
        **_who_and_when(),
        "previous": _previous(context.root, applied, request),
        "packages": desired.all_packages,
        "configuration": configuration.package_id,
        "roles": list(desired.roles),
        "generation": {
            "before": before,
            "found": active.number if active is not None else None,
            "after": None,
        },
        "restart": sorted(restart),
        "own_restart": None if pending is None else restart_that_came(pending),
        "inputs": run_inputs(request.profile, desired.secrets, configuration.facts, key),
        **_rollout_fields(request),
        "unchanged": False,
    }


def unchanged_start(request: ApplyRequest, applied: Run) -> RunStart:
    """The record of a run that has nothing to do, since `applied` has left the host as it should
    be."""
    generation, record = applied.generation_after, applied.record
    return {
        "command": request.command,
        "profile": record["profile"],
        **_who_and_when(),
        "previous": applied.previous,
        "packages": record["packages"],
        "configuration": record["configuration"],
        "roles": record["roles"],
        "generation": {"before": generation, "found": generation, "after": generation},
        "restart": [],
        "own_restart": None,
        "inputs": record["inputs"],
        **_rollout_fields(request),
        "unchanged": True,
    }


def _rollout_fields(request: ApplyRequest) -> RolloutFields:
    """What the record says of the rollout that asks."""
    caller = request.caller
    return {
        "revision": request.revision,
        "rollout": caller.rollout,
        "attempt": caller.attempt,
    }


def _who_and_when() -> WhoAndWhen:
    return {
        "time": now(),
        "who": environment_variable("ABI_PRINCIPAL") or acting_user(),
        "request_id": environment_variable("ABI_REQUEST_ID"),
    }


def _is_link_replaced(path: str) -> bool:
    """Whether something else is in the place of a link of the active set: an editor that has put a
    file there has left the package as it is."""
    return os.path.lexists(path) and not os.path.islink(path)  # noqa: PTH114


def _generation_to_restore(active: Generation | None, pending: Run | None) -> int | None:
    """The generation to go back to: the active one, unless an interrupted run has made it active,
    or has left it as it found it: then what that run would go back to."""
    found = active.number if active is not None else None
    if pending is None:
        return found
    made_by_pending = active is not None and tuple(active.packages) == pending.packages
    if made_by_pending or found == pending.generation_found:
        return pending.generation_before
    return found


def _previous(root: str, applied: Run | None, request: ApplyRequest) -> int | None:
    """The run to which `rollback` goes from this one: the last that had another profile and was
    healthy; if none was, the last that had another profile."""
    if request.rollback_to is not None:
        return request.rollback_to.previous
    unhealthy = None
    for run in _back_from(root, applied):
        if run.profile_digest == request.digest:
            continue
        if run.outcome != UNHEALTHY:
            return run.number
        unhealthy = unhealthy or run.number
    return unhealthy


def _back_from(root: str, applied: Run | None) -> Iterator[Run]:
    """This run, the one that `rollback` would go to from it, and so on, as far as they are kept."""
    run = applied
    while run is not None:
        yield run
        number, run_number = run.previous, run.number
        run = None
        if number is not None and number < run_number:
            with suppress(NotFound):
                run = reader.read_run(root, number)
