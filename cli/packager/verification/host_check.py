"""What the active set still lacks on the host, found out without changing anything."""

from __future__ import annotations

from packager.host import applied_state, apply, host_plan, systemd_units
from packager.host.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.generations.document import Generation
    from packager.host.documents import HostPlan, UnitSource
    from packager.host.options import HostOptions


def remaining_host_work(root: str, active: Generation, options: HostOptions) -> HostPlan:
    """What an activation of the active generation would do on the host; {} if nothing is to be
    done. Raises Conflict for what nobody here may do, ConfigError, DataError, OSError."""
    context = Context(root, active.number, active.number, options)
    return apply.plan(active.packages, active.roles, context, applied_state.load(root))


def static_units(active: Generation, options: HostOptions) -> set[str]:
    """The units of the generation that only other units start."""
    required = host_plan.requirements(active.packages, active.roles, options.state_root)
    return {name for name, unit in required["units"].items() if unit.get("static")}


def required_units(root: str, active: Generation, options: HostOptions) -> dict[str, UnitSource]:
    """The unit files whose units run while the generation is active, by name: not of those that
    other units start, or that are masked."""
    required = host_plan.requirements(active.packages, active.roles, options.state_root)
    units_dir = options.units_dir(root)
    return {
        name: unit
        for name, unit in required["units"].items()
        if not unit.get("static") and not systemd_units.is_masked(units_dir, name)
    }
