"""What has to be done to the host so that it fits a set of packages. Pure.

Three documents (see `documents`) and one comparison:

    required   what the active packages' declarations ask for
    applied    what has been done for a set before (ROOT/host.json, see `applied_state`)
    observed   what is there: users, groups, directories (see `host.apply`)
    plan       what is to be done: `difference` of the three; {} if nothing is

The plan does not compare two generations: so whatever a kill, a failed unit or --no-systemd has
left undone is in the next plan, and what is done already never is.

A unit whose package or file has changed is restarted; one that is new, or that failed to start, is
started; one that is gone is stopped. Other units are left alone. A static one, which other units
start, is restarted only if it runs. One that the administrator has masked is left alone.
"""

from __future__ import annotations

from packager.base.cast import cast
from packager.package.package_id import split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packager.host.documents import (
        Accounts,
        Applied,
        HostPlan,
        Observed,
        PlannedDirectory,
        PlannedFileOwner,
        PlannedUser,
        Prepared,
        RequiredUser,
        Requirements,
        StateDirectory,
        UnitSource,
    )
    from packager.package.declarations import Declarations, DeclaredUnit

TARGET = "dcos.target"  # pkgpanda's: the target that wants all units of the active set
# Sockets and timers refuse to start while what they start is running; systemd orders the rest.
TRIGGERS = (".socket", ".timer", ".path", ".automount")


def conflicts(declared_by_id: Mapping[str, Declarations], roles: Iterable[str] = ()) -> list[str]:
    """Why packages with these declarations can't be active together on a host with these roles, one
    sentence each; empty if they can. Files and links are not looked at here: see
    `path_conflicts`."""
    reasons = []
    variables: dict[str, str] = {}
    placed: dict[str, str] = {}
    settings: dict[str, tuple[str, str]] = {}
    roles_here = {"", *roles}
    for package_id, declared in sorted(declared_by_id.items()):
        for name in declared.get("environment", ()):
            other = variables.setdefault(name, package_id)
            if other != package_id:
                reasons.append(f"{other} and {package_id} both set the variable {name}")
        for unit in _units(declared, roles_here):
            here = f"{package_id} ({unit['path']})"
            other = placed.setdefault(unit["name"], here)
            if other != here:
                reasons.append(f"{other} and {here} both have the unit {unit['name']}")
        sysctl = declared.get("sysctl", {})
        if sysctl and not declared.get("services"):
            reasons.append(f"{package_id} has sysctl settings, but no service that they are for")
        for service, name, value in _settings(sysctl):
            where, theirs = settings.setdefault(name, (f"{package_id} ({service})", value))
            if theirs != value:
                reasons.append(
                    f"{where} sets {name} to {theirs}, {package_id} ({service}) to {value}"
                )
    return reasons


def requirements(
    declared_by_id: Mapping[str, Declarations], roles: Iterable[str], state_root: str
) -> Requirements:
    """What these packages ask of a host with these roles: units, sysctl, users, directories."""
    roles_here = {"", *roles}
    units: dict[str, UnitSource] = {}
    sysctl: dict[str, str] = {}
    users: dict[str, RequiredUser] = {}
    directories: dict[str, StateDirectory] = {}
    for package_id, declared in sorted(declared_by_id.items()):
        own = list(_units(declared, roles_here))
        for unit in own:
            units[unit["name"]] = {
                "package": package_id,
                "path": unit["path"],
                "sha256": unit["sha256"],
            }
            if not unit.get("wanted", True):
                units[unit["name"]]["static"] = True
        names = {unit["name"] for unit in own}
        for service, name, value in _settings(declared.get("sysctl", {})):
            if f"{service}.service" in names:
                sysctl[name] = value
        user = declared.get("username")
        if user:
            users[user] = {"group": declared.get("group"), "package": package_id}
        if declared.get("state_directory"):
            path = f"{state_root}/{split_id(package_id)[0]}"
            directories[path] = {"package": package_id, "user": user}
    return {"units": units, "sysctl": sysctl, "users": users, "directories": directories}


def difference(
    required: Requirements, applied: Applied, observed: Observed, *, systemd: bool = True
) -> HostPlan:
    """The plan, without the keys that would be empty.

    place      [{"unit", "package", "path", "sha256"}]: files to copy to the units' directory
    remove     unit files to take away
    stop, restart, start    units, never with `systemd` false
    try_restart    static units to restart if they run; the same
    idle       static units that are new: there is nothing to do but to remember them; the same
    reasons    {unit: why it is touched}
    users      [{"name", "group", "package"}] to make
    directories    [{"path", "user", "package"}] to make
    owners     [{"path", "user", "was", "package"}]: state directories whose owner may be wrong
    sysctl     {name: value} to set
    wanted     {unit: [package, sha256]} of what is restarted or started
    target     true: dcos.target itself has to be made, enabled and started
    adopt      true: what counts as applied, or does not, is to be written down
    reload     true: systemd does not know yet what was placed and removed before
    forget     state directories that no package has any more; they stay where they are
    """
    plan: HostPlan = {}
    new, old = required["units"], applied["units"]
    reasons: dict[str, str] = {}
    stop, start, idle = [], [], []
    restart: list[str] = []
    try_restart: list[str] = []
    plan["place"] = []
    for name, unit in sorted(new.items()):
        before = old.get(name, {})
        static = unit.get("static", False)
        if before.get("sha256") != unit["sha256"] or before.get("static", False) != static:
            plan["place"].append({"unit": name, **unit})
            reasons[name] = "its file has changed" if before else f"new in {unit['package']}"
        started = before.get("started")
        mine = [unit["package"], unit["sha256"]]
        # It may have been started so, by an activation that was killed.
        starting = before.get("starting", mine)
        if started == starting == mine:
            continue
        if started or starting != mine:
            runs = started if starting == mine else starting
            if runs and runs[0] != unit["package"]:
                reasons[name] = f"{runs[0]} became {unit['package']}"
            reasons.setdefault(name, "its file has changed")
            (try_restart if static else restart).append(name)
        elif static:
            idle.append(name)
        else:
            reasons.setdefault(name, "it has not been started yet")
            start.append(name)
    gone = {name for name, state in old.items() if state.get("sha256") is None}
    plan["remove"] = sorted(
        name for name in old if name not in new and (systemd or name not in gone)
    )
    for name in plan["remove"]:
        reasons[name] = "no active package has it any more"
        if old[name].get("started") or old[name].get("starting"):
            stop.append(name)
    if systemd:
        plan["stop"] = ordered(stop)
        plan["restart"] = ordered(restart)
        plan["start"] = ordered(start, triggers_first=True)
        plan["try_restart"] = ordered(try_restart)
        plan["idle"] = sorted(idle)
        plan["sysctl"] = {
            name: value
            for name, value in sorted(required["sysctl"].items())
            if applied["sysctl"].get(name) != value
        }
    moved = [*plan.get("restart", ()), *plan.get("start", ())]
    moved += [*plan.get("try_restart", ()), *plan.get("idle", ())]
    plan["wanted"] = {name: [new[name]["package"], new[name]["sha256"]] for name in moved}
    lacking = bool(plan["place"]) and not observed["target"]
    plan["target"] = lacking or (bool(new) and observed["enabling"])
    plan["reload"] = not (plan["place"] or plan["remove"]) and observed["reloading"]
    touched = {*plan["remove"], *(each["unit"] for each in plan["place"])}
    touched.update(plan.get("stop", ()), plan.get("restart", ()), plan.get("start", ()))
    touched.update(plan.get("try_restart", ()))
    plan["reasons"] = {name: reason for name, reason in reasons.items() if name in touched}
    plan["users"] = [
        {"name": name, **user}
        for name, user in sorted(required["users"].items())
        if observed["users"].get(name) is None
    ]
    _directories(plan, required, applied, observed)
    return cast("HostPlan", {key: value for key, value in plan.items() if value})


def withdrawn(pending: Prepared, required: Requirements) -> Prepared:
    """Of the users and directories that an activation was making when it was killed, those that
    are not required now, and the files of such users; without empty keys."""
    return _prepared(
        [u for u in pending.get("users", ()) if u["name"] not in required["users"]],
        [d for d in pending.get("directories", ()) if d["path"] not in required["directories"]],
        pending.get("files", []),
    )


def inherited(pending: Prepared, withdrawn: Prepared, made: Prepared) -> Prepared:
    """Of `pending` what is not withdrawn, and what is made now."""
    gone = {each["name"] for each in withdrawn.get("users", ())}
    users = {u["name"]: u for u in pending.get("users", ()) if u["name"] not in gone}
    users.update((each["name"], each) for each in made.get("users", ()))
    away = {each["path"] for each in withdrawn.get("directories", ())}
    directories = {d["path"]: d for d in pending.get("directories", ()) if d["path"] not in away}
    directories.update((each["path"], each) for each in made.get("directories", ()))
    files = [*pending.get("files", ()), *made.get("files", ())]
    return _prepared(list(users.values()), list(directories.values()), files)


def prepared_by(plan: HostPlan) -> Prepared:
    """What of the plan is made before the switch; without empty keys."""
    return _prepared(
        plan.get("users", []), plan.get("directories", []), plan.get("file_owners", [])
    )


def _prepared(
    users: list[PlannedUser],
    directories: list[PlannedDirectory],
    files: Iterable[PlannedFileOwner],
) -> Prepared:
    found: Prepared = {}
    names = {user["name"] for user in users}
    given = {each["path"]: each for each in files if not names.isdisjoint(_owners(each))}
    if given:
        found["files"] = list(given.values())
    if users:
        found["users"] = users
    if directories:
        found["directories"] = directories
    return found


def _owners(file: PlannedFileOwner) -> tuple[str | None, str | None]:
    return file["user"], file["group"]


def problems(required: Requirements, observed: Accounts, *, make_users: bool) -> list[str]:
    """What the host lacks for this set, and nobody here may make: one sentence each."""
    found = []
    for name, asked in sorted(required["users"].items()):
        package_id, group = asked["package"], asked["group"]
        user = observed["users"].get(name)
        if group and group != name and observed["groups"].get(group) is None:
            found.append(f"{package_id} needs the group {group}: make it (groupadd {group})")
        elif user is None and not make_users:
            found.append(f"{package_id} needs the user {name}, and no users are to be made here")
        elif user is not None and group and group not in user["groups"]:
            found.append(f"{package_id} needs the user {name} to be in the group {group}: add it")
    return found


def ordered(units: Iterable[str], *, triggers_first: bool = False) -> list[str]:
    """The units in the order in which systemctl should be given them."""
    return sorted(units, key=lambda name: (name.endswith(TRIGGERS) != triggers_first, name))


def _directories(
    plan: HostPlan, required: Requirements, applied: Applied, observed: Observed
) -> None:
    plan["directories"], plan["owners"] = [], []
    done = applied["directories"]
    for path, asked in sorted(required["directories"].items()):
        owner = observed["directories"].get(path)
        if owner is None:
            plan["directories"].append({"path": path, **asked})
        elif asked["user"] and (owner != asked["user"] or done.get(path) != asked):
            plan["owners"].append(
                {"path": path, "package": asked["package"], "user": asked["user"], "was": owner}
            )
    plan["forget"] = sorted(path for path in done if path not in required["directories"])


def _units(declared: Declarations, roles: set[str]) -> Iterator[DeclaredUnit]:
    for unit in declared.get("units", ()):
        if unit["role"] in roles:
            yield unit


def _settings(sysctl: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, str, str]]:
    """Service, name and value of each setting; a name has one spelling."""
    for service, settings in sorted(sysctl.items()):
        for name, value in sorted(settings.items()):
            yield service, name, str(value)


def service_configuration(declared_by_id: Mapping[str, Declarations]) -> bytes:
    """The content of SERVICES_FILE: the kernel settings that each service of the set needs."""
    import json

    services: dict[str, dict[str, object]] = {}
    for _, declared in sorted(declared_by_id.items()):
        has = declared.get("services", ())
        services.update({k: v for k, v in declared.get("sysctl", {}).items() if k in has})
    return json.dumps({"sysctl": services}, indent=2, sort_keys=True).encode() + b"\n"
