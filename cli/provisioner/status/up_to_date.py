"""Whether an apply has nothing to do: the host is in sync with the applied run, and its inputs are
unchanged.

Most applies find that so and end here: few modules are imported on the way.
"""

from __future__ import annotations

from packager.api import is_activating, translated

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
    if run.outcome != APPLIED or is_activating(root):
        return False
    profile = run.profile()
    if not are_inputs_unchanged(run, profile, key, emit):
        return False
    if profile.roles is None:
        with translated(root):
            if options.host.roles() != run.roles:
                return False
    return not find_differences(root, run, options.host, quick=options.quick)
