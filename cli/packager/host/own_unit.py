"""The unit of systemd that this process runs in: that of the agent, if the agent has started it.

Its restart ends this process, too. So it comes last, is not waited for, and is written down before
with the invocation that it ends (systemd.exec(5), $INVOCATION_ID): where the unit has another one
later, it was restarted, and is not restarted for the same reason once more.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packager.host.documents import OwnRestart

CGROUP_FILE = "/proc/self/cgroup"
SUFFIX = ".service"
# Links whose targets are the ids, kept by systemd since version 236 for its journal: to look at
# them starts no program, as a plan must not.
INVOCATIONS = "/run/systemd/units/invocation:"


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
        # Below it there may be more: what the service divides itself into. A systemd uses one of
        # the two hierarchies, and in the other one there may be nothing of its own.
        services = [name for name in names if name.endswith(SUFFIX)]
        if services:
            return services[0]
    return None


def invocation(unit: str) -> str:
    """Its InvocationID; empty: it does not run, or systemd does not tell."""
    try:
        return os.readlink(f"{INVOCATIONS}{unit}")  # noqa: PTH115
    except OSError:
        return ""


def restart_to_come(unit: str) -> OwnRestart:
    """What is to be written down before the unit is restarted."""
    return {"unit": unit, "invocation": invocation(unit)}


def has_come(restart: OwnRestart) -> bool:
    """Whether the unit has another invocation by now; no, where that can't be told."""
    return "" != invocation(restart["unit"]) != restart["invocation"]


def is_due(restart: OwnRestart) -> bool:
    """Whether the unit runs on as it did when its restart was written down."""
    return invocation(restart["unit"]) == restart["invocation"] != ""


def name_among(names: Iterable[str], unit: str | None) -> str | None:
    """Which of the names of unit files is that of the unit, which may be a template's instance."""
    if unit is None:
        return None
    prefix, at, _ = unit.partition("@")
    own = {unit, f"{prefix}@{SUFFIX}"} if at else {unit}
    return next((name for name in names if name in own), None)
