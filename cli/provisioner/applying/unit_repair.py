"""After the activation: unit files that were changed are placed again, units of the active set that
should run and do not are started."""

from __future__ import annotations

from packager.api import active_generation, required_units, translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import Difference, HostOptions
    from packager.base.events import Emit


def repair_units(root: str, options: HostOptions, emit: Emit) -> bool:
    """Repair them by an activation of the same set; whether there were any. Events: `warning` for
    each, and those of the activation. Raises UnitsFailed, PackagerError."""
    from packager.api import Request, activate

    with translated(root):
        active = active_generation(root)
    if active is None:
        return False
    if not any(declared.get("units") for declared in active.packages.values()):
        return False
    required = required_units(root, active, options)
    units_dir = options.units_dir(root)
    changed = _changed_unit_files(root, units_dir)
    stopped = []
    if options.systemd:
        from packager.api import not_running

        stopped = not_running(sorted(required))
    if not changed and not stopped:
        return False
    for each in changed:
        emit("warning", message=f"{each.path}: {each.reason}; it is placed again")
    for unit in stopped:
        emit("warning", message=f"{unit.unit}: {unit}; it is started again")
    _mark_undone(root, units_dir, changed, [unit.unit for unit in stopped])
    request = Request("activate", list(active.packages), roles=active.roles, options=options)
    activate(root, request, emit)
    return True


def _changed_unit_files(root: str, units_dir: str) -> list[Difference]:
    from packager.api import UNREAD, check_active_generation

    checked = check_active_generation(root)
    found = checked[1] if checked is not None else []
    changed = (each for each in found if each.kind != UNREAD)
    return [each for each in changed if each.path.startswith(f"{units_dir}/")]


def _mark_undone(root: str, units_dir: str, changed: list[Difference], stopped: list[str]) -> None:
    """Record that these files are not in place, and these units not started: the next activation
    does what is recorded as undone."""
    from packager.api import forget_started, forget_units

    if changed:
        forget_units(root, changed)
    if stopped:
        forget_started(root, units_dir, stopped)
