"""Brings the host to what a set of packages asks for: the part of an activation outside the store.

    plan       what is to be done so that the host fits a set, with what is there now looked at
    refuse_without_systemd    refuses a plan that needs a systemd where there is none
    prepare    users, state directories: what the new set needs before it may become active
    undo       takes back what this very `prepare` has made, when the activation fails after it
    settle     units, settings, owners: once `active` has been switched

The activation calls them in this order, holding ROOT/activation.lock: one activation at a time. So
the state (ROOT/host.json) that it has loaded before is handed on from step to step and stays that
of the disk; only where a step has failed is it read again, since a write may be what failed.

What a kill between two of them leaves undone is in the next plan: the activation keeps no journal
of its own for the host, and calls `plan` also when the set of packages stays the same. What
`prepare` is about to make is written to the state first, so the next plan can take it back too.
"""

from __future__ import annotations

import os

from packager.base.debug_log import debug
from packager.base.errors import Conflict, Denied, PackagerError, from_os_error
from packager.host import applied_state, file_owners, host_plan, systemd_units, users
from packager.host.settle import HostWork, UnitsFailed
from packager.host.system_programs import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packager.base.events import Emit
    from packager.host.context import Context
    from packager.host.documents import AdoptedState, Applied, AppliedState, HostPlan, Prepared
    from packager.package.declarations import Declarations

OVERRIDING = "in the place of the system's own"

__all__ = ["UnitsFailed", "plan", "prepare", "settle", "undo", "withdraw"]


def plan(
    declared_by_id: Mapping[str, Declarations],
    roles: Sequence[str],
    context: Context,
    state: AppliedState,
) -> HostPlan:
    """What is to be done for these packages on a host with these roles; {} if nothing is.

    Changes nothing, not even `state`. Raises Conflict for what nobody here may do, ConfigError,
    DataError.
    """
    try:
        return _plan(declared_by_id, roles, context, state)
    except OSError as error:
        raise from_os_error(error, store=context.root) from error


def refuse_without_systemd(plan: HostPlan, context: Context) -> None:
    """Raise ConfigError, before anything has changed, if the plan needs a systemd and this host was
    not booted with one. May ask systemctl, which planning alone does not."""
    if context.systemd and plan.keys() & systemd_units.STEPS:
        systemd_units.refuse_unless_booted()


def prepare(plan: HostPlan, context: Context, state: AppliedState, emit: Emit) -> None:
    """Make what the new set needs. Raises PackagerError; the caller then calls `undo`.

    Events: `user` (name, action made|removed), `directory` (path, action made|removed), `owner`
    (path, user, group, changed) of files of packages.
    """
    try:
        _check_places(plan, context)
        made = host_plan.prepared_by(plan)
        if "withdraw" in plan:
            _take_back(plan["withdraw"], emit)
        if "adopt" in plan:
            _adopt(context, state)
        if made or "withdraw" in plan:
            # What a killed activation has made and this one wants is this one's from now on.
            earlier = _pending(state, context.previous)
            pending = host_plan.inherited(earlier, plan.get("withdraw", {}), made)
            pending["generation"] = context.generation
            state["pending"] = pending
            applied_state.save(context.root, state)
        for name, reason in plan.get("reasons", {}).items():
            if OVERRIDING in reason:
                emit("warning", message=f"{name}: {reason}")
        for user in plan.get("users", ()):
            users.make_user(user["name"], user["group"], context.root)
            emit("user", name=user["name"], action="made")
        for directory in plan.get("directories", ()):
            users.make_directory(directory["path"], directory["user"])
            emit("directory", path=directory["path"], action="made")
        for file in plan.get("file_owners", ()):
            file_owners.give(context.root, file)
            emit("owner", path=file["path"], user=file["user"], group=file["group"], changed=1)
    except OSError as error:
        raise from_os_error(error, store=context.root) from error


def undo(context: Context, emit: Emit) -> None:
    """Take back what was made for this generation, which does not become active."""
    try:
        state = applied_state.load(context.root)  # that of the disk: saving may have failed
        pending = state.pop("pending", {})
        adopting = state.pop("adopting", {})
        if context.generation in (pending.get("generation"), adopting.get("generation")):
            _take_back(pending, emit)
            applied_state.save(context.root, state)
    except OSError as error:
        raise from_os_error(error, store=context.root) from error


def withdraw(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Take back what `prepare` has made of the plan of a set that was active, but failed, and is so
    no more. What can't be taken back is a warning, and is tried again by the next activation."""
    made = host_plan.prepared_by(plan)
    if not made:
        return
    try:
        state = applied_state.load(context.root)  # another activation has changed it since
        state["pending"] = {**made, "generation": None}  # of none that can become active
        applied_state.save(context.root, state)
        _take_back(made, emit)
        del state["pending"]
        applied_state.save(context.root, state)
    except (OSError, PackagerError) as error:
        emit("warning", message=f"not all that was made is taken back: {error}")


def settle(plan: HostPlan, context: Context, state: AppliedState, emit: Emit) -> None:
    """Bring units and settings to the new set.

    Events: `unit` (name, action, reason), `owner` (path, changed), `setting` (name, value),
    `warning`. Raises PackagerError if something could not be brought there; the new set is active
    then. The caller activates the previous generation again if rollback_on_failure is set.
    """
    if not plan:
        return
    try:
        HostWork(plan, context, state, emit).carry_out()
    except OSError as error:
        raise from_os_error(error, store=context.root) from error


def _plan(
    declared_by_id: Mapping[str, Declarations],
    roles: Sequence[str],
    context: Context,
    state: AppliedState,
) -> HostPlan:
    required = host_plan.requirements(declared_by_id, roles, context.state_root)
    units_dir = context.units_dir
    masked = [each for each in required["units"] if systemd_units.is_masked(units_dir, each)]
    for each in masked:
        del required["units"][each]
    accounts = users.observe(
        required["users"], [each["group"] for each in required["users"].values() if each["group"]]
    )
    reasons = host_plan.problems(required, accounts, make_users=context.options.make_users)
    directories = {path: users.owner_of(path) for path in required["directories"]}
    given, refused = file_owners.to_be_given(context.root, declared_by_id, required["users"])
    reasons += refused
    if reasons:
        raise Conflict("; ".join(reasons))
    applied = _applied(state, context, masked, settings_needed=bool(required["sysctl"]))
    found = host_plan.difference(
        required,
        applied,
        {
            **accounts,
            "directories": directories,
            "target": os.path.lexists(f"{units_dir}/{host_plan.TARGET}"),
            # It was made, but not enabled: because of a kill, or for want of a systemd.
            "enabling": state.get("enabling", False) and context.systemd,
            "reloading": state.get("reloading", False) and context.systemd,
        },
        systemd=context.systemd,
    )
    if given:
        found["file_owners"] = given
    placed = state["units"].get(units_dir, {})
    newly_masked = [each for each in masked if not placed.get(each, {}).get("masked")]
    if newly_masked:
        found["masked"] = newly_masked
    if "pending" in state:  # also with nothing to take back: it has to be forgotten
        found["withdraw"] = host_plan.withdrawn(_pending(state, context.previous), required)
    if context.adopting is not None or "adopting" in state:  # also to forget it
        found["adopt"] = True
    debug(lambda: f"host: {_steps(found)}")
    for entry in found.get("place", ()):
        systemd_units.check_place(units_dir, entry, ours=entry["unit"] in applied["units"])
        of_system = systemd_units.overridden(entry["unit"])
        if of_system is not None and entry["unit"] not in applied["units"]:
            found["reasons"][entry["unit"]] += f", {OVERRIDING} {of_system}"
    edited = _edited(found, units_dir, applied)
    if edited:
        found["edited"] = edited
    if found.keys() & {"stop", "restart", "start", "try_restart"}:
        program("systemctl")  # without it the plan can't be carried out
    return found


def _edited(plan: HostPlan, units_dir: str, applied: Applied) -> list[str]:
    """The unit files that the plan would replace or take away though somebody has edited them."""
    files = {each["unit"]: each["sha256"] for each in plan.get("place", ())}
    files |= dict.fromkeys(plan.get("remove", ()), "")
    return [
        f"{units_dir}/{name}"
        for name, new in sorted(files.items())
        if name in applied["units"]
        and systemd_units.edited(units_dir, name, applied["units"][name], new) is not None
    ]


def _steps(plan: HostPlan) -> str:
    """The plan's steps and the reasons for its units, in one line."""
    if not plan:
        return "nothing is to be done"
    reasons = (f"{unit} ({reason})" for unit, reason in plan.get("reasons", {}).items())
    return f"{', '.join(plan)}; units: {', '.join(reasons) or 'none'}"


def _applied(
    state: AppliedState, context: Context, masked: Sequence[str], *, settings_needed: bool
) -> Applied:
    """What of the state counts for this activation, with what it adopts; not units that are masked
    now, or were and are so no more: nothing of them was done."""
    adopted = _adopted(state, context)
    sysctl = adopted.get("sysctl", state["sysctl"])
    if settings_needed and adopted.get("boot", state.get("boot")) != applied_state.boot_id():
        sysctl = {}  # what was set then is gone
    units = adopted.get("units", state["units"]).get(context.units_dir, {})
    return {
        "units": {
            name: each
            for name, each in units.items()
            if name not in masked and not each.get("masked")
        },
        "sysctl": sysctl,
        "directories": adopted.get("directories", state["directories"]),
    }


def _check_places(plan: HostPlan, context: Context) -> None:
    """Raise Denied or ConfigError before anything is changed if the later steps could not do their
    work."""
    if "place" in plan or "remove" in plan:
        systemd_units.refuse_unless_writable(context.units_dir)
    for user in plan.get("users", ()):
        users.refuse_unless_makable(user["name"])
    file_owners.refuse_forbidden(plan.get("file_owners", []))
    for entry in plan.get("owners", ()):
        if entry["was"] != entry["user"] and os.geteuid() != 0:
            raise Denied(f"{entry['path']}: only root can give it to {entry['user']}: run as root")


def _adopted(state: AppliedState, context: Context) -> AdoptedState:
    """What is to count as applied: of this activation, or of the active one, if it was killed."""
    if context.adopting is not None:
        return context.adopting
    adopting = state.get("adopting", {})
    if context.previous is None or adopting.get("generation") != context.previous:
        return {}
    return adopting


def _adopt(context: Context, state: AppliedState) -> None:
    """Write down what counts as applied once the set is active, or what did so already."""
    if context.adopting is not None:
        state["adopting"] = {**context.adopting, "generation": context.generation}
    else:  # of a killed activation: its set is active, or never was
        applied_state.adopt(state, _adopted(state, context))
        del state["adopting"]
    applied_state.save(context.root, state)


def _take_back(made: Prepared, emit: Emit) -> None:
    for directory in made.get("directories", ()):
        users.remove_directory(directory["path"])
        emit("directory", path=directory["path"], action="removed")
    for user in made.get("users", ()):
        users.remove_user(user["name"])
        emit("user", name=user["name"], action="removed")


def _pending(state: AppliedState, active: int | None) -> Prepared:
    """What was made for a generation that did not become active."""
    pending = state.get("pending", {})
    return {} if active is not None and pending.get("generation") == active else pending
