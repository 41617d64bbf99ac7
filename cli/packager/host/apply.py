"""Brings the host to what a set of packages asks for: the part of an activation outside the store.

    plan      what is to be done so that the host fits a set, with what is there now looked at
    before    users, state directories: what the new set needs before it may become active
    undo      takes back what this very `before` has made, when the activation fails after it
    after     units, settings, owners: once `active` has been switched

The activation calls them in this order, holding ROOT/activation.lock: one activation at a time.
What a kill between two of them leaves undone is in the next plan: the activation keeps no journal
of its own for the host, and calls `plan` also when the set of packages stays the same. What
`before` is about to make is written to ROOT/host.json first, so the next plan can take it back too.
"""

from __future__ import annotations

import os

from packager.base.errors import ConfigError, Conflict, Denied, PackagerError, from_os_error
from packager.host import applied_state, host_plan, systemd_units, users
from packager.host.converge import UnitsFailed, Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packager.base.events import Emit
    from packager.host.host_plan import HostPlan, State
    from packager.package.declarations import Declarations

__all__ = [
    "Context",
    "UnitsFailed",
    "after",
    "before",
    "config_dirs",
    "plan",
    "roles",
    "undo",
    "withdraw",
]

UNITS_DIR = "/etc/systemd/system"
STATE_ROOT = "/var/lib/dcos"
CONFIG_DIRS = ("/etc/packager", "/etc/mesosphere")  # ours, else pkgpanda's
ROLES = "roles"  # a directory in the configuration directory, with a file for each role
NO_USERS_FILE = "manual_host_users"  # in the configuration directory: it means no_users


class Context:
    """Where and how: the store, the generation that becomes active, the options of the command.

    adopting: what another manager has done on the host for this very set (the parts of a state, see
    `applied_state`); it counts as done once the set is active.

    options, by dest: no_systemd (start and stop nothing), no_block_systemd (do not wait for it),
    rooted_systemd (unit files go to ROOT), no_users (make none) are false by default; units_dir,
    state_dir and config_dir are paths; settle: seconds from a start to the look at it.
    """

    __slots__ = ("adopting", "generation", "options", "previous", "root")

    def __init__(
        self,
        root: str,
        generation: int,
        previous: int | None,
        options: Mapping[str, object],
        adopting: State | None = None,
    ) -> None:
        self.root = root
        self.adopting = adopting
        self.generation = generation
        self.previous = previous
        self.options = options  # the values of `commands.HOST_OPTIONS`, by dest

    @property
    def systemd(self) -> bool:
        return not self.options.get("no_systemd")

    @property
    def units_dir(self) -> str:
        if self.options.get("rooted_systemd"):
            return self.root
        return os.path.abspath(str(self.options.get("units_dir") or UNITS_DIR))  # noqa: PTH100

    @property
    def state_root(self) -> str:
        return os.path.abspath(str(self.options.get("state_dir") or STATE_ROOT))  # noqa: PTH100

    @property
    def make_users(self) -> bool:
        return not self.options.get("no_users") and not any(
            os.path.lexists(f"{each}/{NO_USERS_FILE}") for each in config_dirs(self.options)
        )


def config_dirs(options: Mapping[str, object]) -> tuple[str, ...]:
    """The directories with what is set for this host, the deciding one first."""
    given = options.get("config_dir")
    return (str(given),) if given else CONFIG_DIRS


def roles(options: Mapping[str, object]) -> tuple[str, ...]:
    """The roles of this host: the names of the files in `roles`, sorted. Raises OSError."""
    for directory in config_dirs(options):
        try:
            names = os.listdir(f"{directory}/{ROLES}")  # noqa: PTH208
        except FileNotFoundError:
            continue
        return tuple(sorted(name for name in names if not name.startswith(".")))
    return ()


def plan(
    declared_by_id: Mapping[str, Declarations], roles: Sequence[str], context: Context
) -> HostPlan:
    """What is to be done for these packages on a host with these roles; {} if nothing is.

    Changes nothing. Raises Conflict for what nobody here may do, ConfigError, DataError.
    """
    try:
        return _plan(declared_by_id, roles, context)
    except OSError as error:
        raise from_os_error(error, context.root) from error


def before(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Make what the new set needs. Raises PackagerError; the caller then calls `undo`.

    Events: `user` (name, action made|removed), `directory` (path, action made|removed).
    """
    try:
        _check_places(plan, context)
        made = _made(plan)
        if "withdraw" in plan:
            _take_back(plan["withdraw"], emit)
        if "adopt" in plan:
            _adopt(context)
        if made or "withdraw" in plan:
            state = applied_state.load(context.root)
            # What a killed activation has made and this one wants is this one's from now on.
            earlier = _pending(state, context.previous)
            made = host_plan.inherited(earlier, plan.get("withdraw", {}), made)
            state["pending"] = {**made, "generation": context.generation}
            applied_state.save(context.root, state)
        for user in plan.get("users", ()):
            users.make_user(user["name"], user["group"], context.root)
            emit("user", name=user["name"], action="made")
        for directory in plan.get("directories", ()):
            users.make_directory(directory["path"], directory["user"])
            emit("directory", path=directory["path"], action="made")
    except OSError as error:
        raise from_os_error(error, context.root) from error


def undo(context: Context, emit: Emit) -> None:
    """Take back what was made for this generation, which does not become active."""
    try:
        state = applied_state.load(context.root)
        pending = state.pop("pending", {})
        adopting = state.pop("adopting", {})
        if context.generation in (pending.get("generation"), adopting.get("generation")):
            _take_back(pending, emit)
            applied_state.save(context.root, state)
    except OSError as error:
        raise from_os_error(error, context.root) from error


def withdraw(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Take back what `before` has made of the plan of a set that was active, but failed, and is so
    no more. What can't be taken back is a warning, and is tried again by the next activation."""
    made = _made(plan)
    if not made:
        return
    try:
        state = applied_state.load(context.root)
        state["pending"] = {**made, "generation": None}  # of none that can become active
        applied_state.save(context.root, state)
        _take_back(made, emit)
        del state["pending"]
        applied_state.save(context.root, state)
    except (OSError, PackagerError) as error:
        emit("warning", message=f"not all that was made is taken back: {error}")


def after(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Bring units and settings to the new set.

    Events: `unit` (name, action, reason), `owner` (path, changed), `setting` (name, value),
    `warning`. Raises PackagerError if something could not be brought there; the new set is active
    then. The caller activates the previous generation again if rollback_on_failure is set.
    """
    if not plan:
        return
    try:
        Work(plan, context, emit).carry_out()
    except OSError as error:
        raise from_os_error(error, context.root) from error


def _plan(
    declared_by_id: Mapping[str, Declarations], roles: Sequence[str], context: Context
) -> HostPlan:
    state = applied_state.load(context.root)
    state |= _adopted(state, context)
    wanted = host_plan.wanted(declared_by_id, roles, context.state_root)
    units_dir = context.units_dir
    observed = users.observe(
        wanted["users"], [each["group"] for each in wanted["users"].values() if each["group"]]
    )
    observed["directories"] = {path: users.owner_of(path) for path in wanted["directories"]}
    observed["target"] = os.path.lexists(f"{units_dir}/{host_plan.TARGET}")
    # It was made, but not enabled: because of a kill, or for want of a systemd.
    observed["enabling"] = bool(state.get("enabling")) and context.systemd
    observed["reloading"] = bool(state.get("reloading")) and context.systemd
    reasons = host_plan.problems(wanted, observed, make_users=context.make_users)
    if reasons:
        raise Conflict("; ".join(reasons))
    applied = {**state, "units": state["units"].get(units_dir, {})}
    if wanted["sysctl"] and state.get("boot") != applied_state.boot_id():
        applied["sysctl"] = {}  # what was set then is gone
    found = host_plan.difference(wanted, applied, observed, systemd=context.systemd)
    if "pending" in state:  # also with nothing to take back: it has to be forgotten
        found["withdraw"] = host_plan.withdrawn(_pending(state, context.previous), wanted)
    if context.adopting is not None or "adopting" in state:  # also to forget it
        found["adopt"] = True
    for entry in found.get("place", ()):
        systemd_units.check_place(units_dir, entry, ours=entry["unit"] in applied["units"])
    if any(step in found for step in ("stop", "restart", "start")) and not _on_path("systemctl"):
        raise ConfigError("systemctl is not on the PATH: without systemd, give --no-systemd")
    return found


def _check_places(plan: HostPlan, context: Context) -> None:
    """Raise Denied before anything is changed if `after` could not write where it has to."""
    if "place" in plan or "remove" in plan:
        place = context.units_dir
        while not os.path.exists(place):  # noqa: PTH110
            place = os.path.dirname(place)  # noqa: PTH120
        if not os.access(place, os.W_OK | os.X_OK):
            raise Denied(
                f"{place}: unit files can't be placed there: run as root, or give --units-dir or "
                "--rooted-systemd"
            )
    for entry in plan.get("owners", ()):
        if entry["was"] != entry["user"] and os.geteuid() != 0:
            raise Denied(f"{entry['path']}: only root can give it to {entry['user']}: run as root")


def _adopted(state: State, context: Context) -> State:
    """What is to count as applied: of this activation, or of the active one, if it was killed."""
    adopting: State = state.get("adopting", {})
    if context.adopting is not None:
        return context.adopting
    if context.previous is None or adopting.get("generation") != context.previous:
        return {}
    return {key: value for key, value in adopting.items() if key != "generation"}


def _adopt(context: Context) -> None:
    """Write down what counts as applied once the set is active, or what did so already."""
    state = applied_state.load(context.root)
    if context.adopting is not None:
        state["adopting"] = {**context.adopting, "generation": context.generation}
    else:  # of a killed activation: its set is active, or never was
        state |= _adopted(state, context)
        del state["adopting"]
    applied_state.save(context.root, state)


def _made(plan: HostPlan) -> HostPlan:
    """What `before` makes of the plan."""
    return {key: value for key, value in plan.items() if key in ("users", "directories")}


def _take_back(made: HostPlan, emit: Emit) -> None:
    for directory in made.get("directories", ()):
        users.remove_directory(directory["path"])
        emit("directory", path=directory["path"], action="removed")
    for user in made.get("users", ()):
        users.remove_user(user["name"])
        emit("user", name=user["name"], action="removed")


def _pending(state: State, active: int | None) -> HostPlan:
    """What was made for a generation that did not become active."""
    pending: HostPlan = state.get("pending", {})
    return {} if active is not None and pending.get("generation") == active else pending


def _on_path(program: str) -> bool:
    return any(os.access(f"{directory}/{program}", os.X_OK) for directory in os.get_exec_path())
