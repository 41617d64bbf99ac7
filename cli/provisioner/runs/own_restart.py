"""What runs tell of the unit that their command ran in, and restarted (packager: `own_unit`)."""

from __future__ import annotations

from packager.api import has_own_restart_come, is_own_restart_due

from provisioner.runs import reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import OwnRestart

    from provisioner.runs.run import Run


def restart_that_came(run: Run) -> OwnRestart | None:
    """The restart that has ended this run's command, which the next one does not repeat."""
    restart = run.record.get("own_restart")
    return restart if restart is not None and has_own_restart_come(restart) else None


def unit_still_to_be_restarted(root: str) -> str | None:
    """The unit whose restart the newest run, which has ended, was killed before. Raises
    PackagerError."""
    numbers = reader.run_numbers(root)
    newest = reader.read_run(root, numbers[-1]) if numbers else None
    restart = None if newest is None else newest.record.get("own_restart")
    return restart["unit"] if restart is not None and is_own_restart_due(restart) else None
