"""The unit of systemd that this command runs in: that of the agent, if the agent has started it.

Its restart ends this command, too. So it comes last, is not waited for, and is written down before:
the next apply sees another InvocationID (systemd.exec(5), $INVOCATION_ID), does not restart it once
more, and goes on.
"""

from __future__ import annotations

from packager.api import systemctl, systemctl_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import HostOptions

    from provisioner.runs.documents import OwnRestart
    from provisioner.runs.run import Run

CGROUP_FILE = "/proc/self/cgroup"
SUFFIX = ".service"


def own_unit() -> str | None:
    """The service that this process belongs to; None: it is none's (cgroups(7), /proc/PID/cgroup).
    What a user's own systemd has started belongs to a service of that one's."""
    try:
        with open(CGROUP_FILE, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            paths = [line.rstrip("\n").partition(":")[2].partition(":") for line in file]
    except OSError:
        return None
    for controllers, _, path in paths:
        if controllers not in ("", "name=systemd"):
            continue
        names = path.split("/")
        if any(name.startswith("user@") for name in names):
            return None
        # Below it there may be more: what the service divides itself into.
        return next((name for name in names if name.endswith(SUFFIX)), None)
    return None


def restart_to_come(unit: str) -> OwnRestart:
    """What is to be written down before the unit is restarted. Raises InputOutputError,
    ConfigError."""
    return {"unit": unit, "invocation": _invocation(unit)}


def own_unit_restarted_by(run: Run, options: HostOptions) -> set[str]:
    """The units that this run, which was interrupted, has restarted although that ended it."""
    restart = run.record.get("own_restart")
    if restart is None or not options.systemd:
        return set()
    invocation = _invocation(restart["unit"])
    is_another = invocation != "" and invocation != restart["invocation"]
    return {restart["unit"]} if is_another else set()


def _invocation(unit: str) -> str:
    """Its InvocationID; empty: it does not run."""
    _, shown = systemctl("show", "--property=InvocationID", "--value", *systemctl_names([unit]))
    return shown.strip()
