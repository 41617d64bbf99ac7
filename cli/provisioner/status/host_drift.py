"""What differs on the host itself, outside the store: units, users, directories, kernel settings.

It is what packager would still do for the active set, and units that do not run.
"""

from __future__ import annotations

from packager.api import (
    not_running,
    remaining_host_work,
    required_units,
    why_not_booted,
)
from packager.base.errors import Conflict, Denied

from provisioner.status.difference import (
    DIRECTORY,
    HOST,
    OWNER,
    SETTING,
    UNIT,
    UNIT_FILE,
    UNREAD,
    USER,
    Difference,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from packager.api import Generation, HostOptions, HostPlan

EXPECTED_OF_UNIT = {"stop": "stopped", "restart": "restarted", "start": "started"}
EXPECTED_OF_UNIT["try_restart"] = "restarted if it runs"


def host_differences(root: str, active: Generation, options: HostOptions) -> Iterator[Difference]:
    """What of the host differs from what the active set needs, and (UNREAD) what of it could not be
    looked at. Raises PackagerError."""
    if options.systemd and required_units(root, active, options):
        reason = why_not_booted()
        if reason is not None:
            yield Difference(UNREAD, "units", None, f"{reason}; without systemd, give --no-systemd")
            options = options.replace(no_systemd=True)
    try:
        plan = remaining_host_work(root, active, options)
    except Denied as denied:
        yield Difference(UNREAD, "host", None, str(denied))
        return
    except Conflict as conflict:
        yield Difference(HOST, "host", "what the packages need", str(conflict))
        return
    yield from _units_to_change(plan, options.units_dir(root))
    yield from _accounts_and_directories(plan)
    yield from _unfinished(plan)
    if options.systemd:
        yield from _stopped_units(root, active, options, plan)


def _units_to_change(plan: HostPlan, units_dir: str) -> Iterator[Difference]:
    reasons = plan.get("reasons", {})
    for each in plan.get("place", ()):
        path, reason = f"{units_dir}/{each['unit']}", reasons[each["unit"]]
        yield Difference(UNIT_FILE, path, f"that of {each['package']}", reason, each["package"])
    for name in plan.get("remove", ()):
        yield Difference(UNIT_FILE, f"{units_dir}/{name}", None, reasons[name])
    steps = {
        "stop": plan.get("stop", ()),
        "restart": plan.get("restart", ()),
        "start": plan.get("start", ()),
        "try_restart": plan.get("try_restart", ()),
    }
    for step, names in steps.items():
        for name in names:
            yield Difference(UNIT, name, EXPECTED_OF_UNIT[step], reasons[name])


def _accounts_and_directories(plan: HostPlan) -> Iterator[Difference]:
    for user in plan.get("users", ()):
        yield Difference(USER, user["name"], "a user", None, user["package"])
    for directory in plan.get("directories", ()):
        package = directory["package"]
        yield Difference(DIRECTORY, directory["path"], "a directory", None, package)
    for owned in plan.get("owners", ()):
        expected, found = f"all of it owned by {owned['user']}", f"owned by {owned['was']}"
        yield Difference(OWNER, owned["path"], expected, found, owned["package"])
    for file in plan.get("file_owners", ()):
        expected = f"owned by {file['user'] or '(whoever)'}:{file['group'] or '(whoever)'}"
        yield Difference(OWNER, file["path"], expected, f"owned by {file['was']}", file["package"])
    for name, value in plan.get("sysctl", {}).items():
        yield Difference(SETTING, name, value, "not set since the host was started")
    for path in plan.get("forget", ()):
        yield Difference(DIRECTORY, path, None, "recorded, though no active package has it")


def _unfinished(plan: HostPlan) -> Iterator[Difference]:
    if "adopt" in plan:
        yield Difference(HOST, "host", "an import that has ended", "one was interrupted")
    if "reload" in plan or ("target" in plan and "place" not in plan):
        expected = "all unit files known to systemd"
        yield Difference(HOST, "host", expected, "systemd has not reloaded some unit files")
    if plan.get("withdraw") is not None:
        yield Difference(HOST, "host", "an activation that has ended", "one was interrupted")


def _stopped_units(
    root: str, active: Generation, options: HostOptions, plan: HostPlan
) -> Iterator[Difference]:
    required = required_units(root, active, options)
    to_be_started = {*plan.get("restart", ()), *plan.get("start", ())}
    for unit in not_running(sorted(required.keys() - to_be_started)):
        package = required[unit.unit]["package"]
        yield Difference(UNIT, unit.unit, "active", str(unit), package)
