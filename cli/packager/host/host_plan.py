"""What has to be done to the host so that it fits a set of packages. Pure.

Three documents, all JSON-able, and one comparison:

    wanted     what the active packages' declarations ask for
    applied    what has been done for a set before (ROOT/host.json, see `applied_state`)
    observed   what is there: users, groups, directories (see `host.apply`)
    plan       what is to be done: `difference` of the three; {} if nothing is

The plan does not compare two generations: so whatever a kill, a failed unit or --no-systemd has
left undone is in the next plan, and what is done already never is.

A unit whose package or file has changed is restarted; one that is new, or that failed to start, is
started; one that is gone is stopped. Other units are left alone.
"""

from __future__ import annotations

from packager.package.package_id import split_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from packager.package.declarations import Declarations, DeclaredUnit

    HostPlan = dict[str, Any]  # JSON-able; empty: the host stays as it is
    State = dict[str, Any]

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
    held = {"", *roles}
    for package_id, declared in sorted(declared_by_id.items()):
        for name in declared.get("environment", ()):
            other = variables.setdefault(name, package_id)
            if other != package_id:
                reasons.append(f"{other} and {package_id} both set the variable {name}")
        for unit in _units(declared, held):
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


def wanted(
    declared_by_id: Mapping[str, Declarations], roles: Iterable[str], state_root: str
) -> State:
    """What these packages ask of a host with these roles: units, sysctl, users, directories."""
    held = {"", *roles}
    units: dict[str, dict[str, str]] = {}
    sysctl: dict[str, str] = {}
    users: dict[str, dict[str, str | None]] = {}
    directories: dict[str, dict[str, str | None]] = {}
    for package_id, declared in sorted(declared_by_id.items()):
        own = list(_units(declared, held))
        for unit in own:
            units[unit["name"]] = {
                "package": package_id,
                "path": unit["path"],
                "sha256": unit["sha256"],
            }
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


def difference(wanted: State, applied: State, observed: State, *, systemd: bool = True) -> HostPlan:
    """The plan, without the keys that would be empty.

    place      [{"unit", "package", "path", "sha256"}]: files to copy to the units' directory
    remove     unit files to take away
    stop, restart, start    units, never with `systemd` false
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
    new, old = wanted["units"], applied.get("units", {})
    reasons: dict[str, str] = {}
    place, stop, restart, start = [], [], [], []
    for name, unit in sorted(new.items()):
        before = old.get(name, {})
        if before.get("sha256") != unit["sha256"]:
            place.append({"unit": name, **unit})
            reasons[name] = "its file has changed" if before else f"new in {unit['package']}"
        started = before.get("started")
        mine = [unit["package"], unit["sha256"]]
        # It may have been started so, by an activation that was killed.
        starting = before.get("starting", mine)
        if started == starting == mine:
            continue
        if started or starting != mine:
            runs = started if starting == mine else starting
            if runs[0] != unit["package"]:
                reasons[name] = f"{runs[0]} became {unit['package']}"
            reasons.setdefault(name, "its file has changed")
            restart.append(name)
        else:
            reasons.setdefault(name, "it has not been started yet")
            start.append(name)
    gone = {name for name, unit in old.items() if unit.get("sha256") is None}
    remove = sorted(name for name in old if name not in new and (systemd or name not in gone))
    for name in remove:
        reasons[name] = "no active package has it any more"
        if old[name].get("started") or old[name].get("starting"):
            stop.append(name)
    plan["place"], plan["remove"] = place, remove
    if systemd:
        plan["stop"] = ordered(stop)
        plan["restart"] = ordered(restart)
        plan["start"] = ordered(start, triggers_first=True)
        settings = applied.get("sysctl", {})
        plan["sysctl"] = {
            name: value
            for name, value in sorted(wanted["sysctl"].items())
            if settings.get(name) != value
        }
    moved = (*plan.get("restart", ()), *plan.get("start", ()))
    plan["wanted"] = {name: [new[name]["package"], new[name]["sha256"]] for name in moved}
    lacking = bool(place) and not observed["target"]
    plan["target"] = lacking or (bool(new) and observed.get("enabling", False))
    plan["reload"] = not (place or remove) and observed.get("reloading", False)
    touched = {*remove, *(each["unit"] for each in place)}
    touched.update(*(plan.get(step, ()) for step in ("stop", "restart", "start")))
    plan["reasons"] = {name: reason for name, reason in reasons.items() if name in touched}
    plan["users"] = [
        {"name": name, **user}
        for name, user in sorted(wanted["users"].items())
        if observed["users"].get(name) is None
    ]
    _directories(plan, wanted, applied, observed)
    return {key: value for key, value in plan.items() if value}


def withdrawn(pending: HostPlan, wanted: State) -> HostPlan:
    """Of the users and directories that an activation was making when it was killed, those that
    are not wanted now: {"users", "directories"} as in the plan, without empty keys."""
    found = {
        "users": [u for u in pending.get("users", ()) if u["name"] not in wanted["users"]],
        "directories": [
            d for d in pending.get("directories", ()) if d["path"] not in wanted["directories"]
        ],
    }
    return {key: value for key, value in found.items() if value}


def inherited(pending: HostPlan, withdrawn: HostPlan, made: HostPlan) -> HostPlan:
    """Of `pending` what is not withdrawn, and what is made now: {"users", "directories"}."""
    found = {}
    for key, name in (("users", "name"), ("directories", "path")):
        gone = {each[name] for each in withdrawn.get(key, ())}
        kept = {each[name]: each for each in pending.get(key, ()) if each[name] not in gone}
        kept.update((each[name], each) for each in made.get(key, ()))
        found[key] = list(kept.values())
    return {key: value for key, value in found.items() if value}


def problems(wanted: State, observed: State, *, make_users: bool) -> list[str]:
    """What the host lacks for this set, and nobody here may make: one sentence each."""
    found = []
    for name, asked in sorted(wanted["users"].items()):
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


def _directories(plan: HostPlan, wanted: State, applied: State, observed: State) -> None:
    plan["directories"], plan["owners"] = [], []
    done = applied.get("directories", {})
    for path, asked in sorted(wanted["directories"].items()):
        there = observed["directories"].get(path)
        entry = {"path": path, **asked}
        if there is None:
            plan["directories"].append(entry)
        elif asked["user"] and (there["user"] != asked["user"] or done.get(path) != asked):
            plan["owners"].append({**entry, "was": there["user"]})
    plan["forget"] = sorted(path for path in done if path not in wanted["directories"])


def _units(declared: Declarations, held: set[str]) -> Iterator[DeclaredUnit]:
    for unit in declared.get("units", ()):
        if unit["role"] in held:
            yield unit


def _settings(sysctl: dict[str, dict[str, object]]) -> Iterator[tuple[str, str, str]]:
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
