"""What `stage` does: the first step of an apply, alone."""

from __future__ import annotations

from provisioner.applying.preparation import prepared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Emit

    from provisioner.applying.request import ApplyRequest
    from provisioner.base.command_options import CommandOptions
    from provisioner.runs.writer import RunWriter


def stage(
    root: str, request: ApplyRequest, writer: RunWriter, options: CommandOptions, emit: Emit
) -> list[str]:
    """Have all that the profile needs in the store, verified; the ids of those packages. Nothing
    that is active is touched. The caller holds the lock. Events and errors: see `prepared`."""
    with prepared(root, request, writer, options, emit) as preparation:
        return preparation.desired.all_packages
