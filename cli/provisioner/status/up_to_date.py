"""Whether an apply has nothing to do: the host is in sync with the applied run, and its inputs are
unchanged.

Most applies find that so and end here: few modules are imported on the way.
"""

from __future__ import annotations

from packager.api import is_activating, translated
from packager.base.debug_log import debug

from provisioner.runs.own_restart import unit_still_to_be_restarted
from provisioner.runs.run import APPLIED
from provisioner.status.drift import find_differences
from provisioner.status.template_inputs import are_inputs_unchanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptions
    from provisioner.runs.run import Run


def is_up_to_date(root: str, run: Run, key: bytes, options: CommandOptions, emit: Emit) -> bool:
    """Whether the host is as `run`, the applied one, has left it, and its inputs have the same
    values still. Raises PackagerError."""
    reason = _first_reason(root, run, key, options, emit)
    if reason is not None:
        debug(lambda: f"not up to date with run {run.number}: {reason}")
    return reason is None


def _first_reason(
    root: str, run: Run, key: bytes, options: CommandOptions, emit: Emit
) -> str | None:
    """Why the host is not up to date; None if it is."""
    if run.outcome != APPLIED:
        return f"its outcome is {run.outcome}"
    if is_activating(root):
        return "an activation is under way, or was interrupted"
    unit = unit_still_to_be_restarted(root)
    if unit is not None:
        return f"{unit} is still to be restarted"
    profile = run.profile()
    if not are_inputs_unchanged(run, profile, key, emit):
        return "a fact or a secret has another value"
    if profile.roles is None:
        with translated(root):
            if options.host.roles() != run.roles:
                return "other roles are set for the host"
    differences = find_differences(root, run, options.host, quick=options.quick)
    if differences:
        return ", ".join(f"{each.kind} {each.subject}" for each in differences)
    return None
