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
import time

from packager import hostplan, hoststate, units, users
from packager.errors import ConfigError, Conflict, Denied, PackagerError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packager.events import Emit
    from packager.hostplan import Facts, HostPlan, State

UNITS_DIR = "/etc/systemd/system"
STATE_ROOT = "/var/lib/dcos"
CONFIG_DIRS = ("/etc/packager", "/etc/mesosphere")  # ours, else pkgpanda's
ROLES = "roles"  # a directory in the configuration directory, with a file for each role
NO_USERS_FILE = "manual_host_users"  # in the configuration directory: it means no_users


class Context:
    """Where and how: the store, the generation that becomes active, the options of the command.

    options, by dest: no_systemd (start and stop nothing), no_block_systemd (do not wait for it),
    rooted_systemd (unit files go to ROOT), no_users (make none) are false by default; units_dir,
    state_dir and config_dir are paths; settle: seconds from a start to the look at it.
    """

    __slots__ = ("generation", "options", "previous", "root")

    def __init__(
        self,
        root: str,
        generation: int,
        previous: int | None,
        options: Mapping[str, object],
    ) -> None:
        self.root = root
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


class UnitsFailed(PackagerError):
    """Units did not start, or systemctl failed; everything else was done (EX_IOERR).

    `failures` has the units; the message has their states and last log lines.
    """

    exit_code = 74

    def __init__(self, failures: Sequence[units.Failure], said: Sequence[str]) -> None:
        words = [*said]
        for failure in failures:
            log = "".join(f"\n    {line}" for line in failure.log.splitlines())
            words.append(f"{failure.unit}: {failure.state}{log}")
        super().__init__("not all services are as they should be: " + "\n".join(words))
        self.failures = tuple(failures)


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


def plan(facts_by_id: Mapping[str, Facts], roles: Sequence[str], context: Context) -> HostPlan:
    """What is to be done for these packages on a host with these roles; {} if nothing is.

    Changes nothing. Raises Conflict for what nobody here may do, ConfigError, DataError.
    """
    try:
        return _plan(facts_by_id, roles, context)
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
        if made or "withdraw" in plan:
            _record(context, pending=made)
        for user in plan.get("users", ()):
            users.make_user(user["name"], user["group"], context.root)
            emit("user", name=user["name"], action="made")
        for directory in plan.get("directories", ()):
            users.make_directory(directory["path"], directory["user"])
            emit("directory", path=directory["path"], action="made")
    except OSError as error:
        raise from_os_error(error, context.root) from error


def undo(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Take back what `before` has made for this generation, and nothing else."""
    try:
        state = hoststate.load(context.root)
        pending = state.pop("pending", None)
        if pending and pending == _made(plan):
            _take_back(pending, emit)
            hoststate.save(context.root, state)
    except OSError as error:
        raise from_os_error(error, context.root) from error


def after(plan: HostPlan, context: Context, emit: Emit) -> None:
    """Bring units and settings to the new set.

    Events: `unit` (name, action, reason), `owner` (path, changed), `setting` (name, value),
    `warning`. Raises PackagerError if something could not be brought there; the new set is active
    then. The caller activates the previous generation again if rollback_on_failure is set.
    """
    if not plan:
        return
    try:
        _Work(plan, context, emit).carry_out()
    except OSError as error:
        raise from_os_error(error, context.root) from error


class _Work:
    """One `after`. Whatever fails, the rest is done; the failures are raised at the end."""

    def __init__(self, plan: HostPlan, context: Context, emit: Emit) -> None:
        self._plan = plan
        self._context = context
        self._emit = emit
        self._dir = context.units_dir
        self._reasons: dict[str, str] = plan.get("reasons", {})
        self._state = hoststate.load(context.root)
        self._units: dict[str, State] = self._state["units"].setdefault(self._dir, {})
        self._said: list[str] = []  # by systemctl, where it failed as a whole
        self._failures: list[units.Failure] = []

    def carry_out(self) -> None:
        self._stop()
        self._files()
        self._owners()
        self._settings()
        if "place" in self._plan or "remove" in self._plan:
            self._reload()
        self._start()
        self._state.pop("pending", None)
        for path in self._plan.get("forget", ()):
            self._state["directories"].pop(path, None)
        hoststate.save(self._context.root, self._state)
        if self._failures or self._said:
            raise UnitsFailed(self._failures, self._said)

    def _stop(self) -> None:
        names = self._plan.get("stop", [])
        if not names:
            return
        self._systemctl("stop", *self._block(), *units.addressed(names), fine=units.NOT_LOADED)
        for name in names:
            self._tell(name, "stopped")

    def _files(self) -> None:
        """Place and remove unit files; what is about to be done is written down first."""
        place, remove = self._plan.get("place", []), self._plan.get("remove", [])
        if not place and not remove:
            return
        for entry in place:
            self._units.setdefault(entry["unit"], {"started": None})["sha256"] = ""
        hoststate.save(self._context.root, self._state)
        units.make_directories(self._dir)
        if "target" in self._plan:
            units.place_target(self._dir)
        for entry in place:
            units.place(self._dir, self._context.root, entry)
            self._units[entry["unit"]]["sha256"] = entry["sha256"]
            self._tell(entry["unit"], "placed")
        for name in remove:
            units.remove(self._dir, name)
            self._units.pop(name, None)
            self._tell(name, "removed")
        units.sync(self._dir)

    def _owners(self) -> None:
        for entry in self._plan.get("owners", ()):
            changed = users.own_tree(entry["path"], entry["user"], self._emit)
            if changed:
                self._emit("owner", path=entry["path"], user=entry["user"], changed=changed)
        for entry in (*self._plan.get("owners", ()), *self._plan.get("directories", ())):
            done = {"package": entry["package"], "user": entry["user"]}
            self._state["directories"][entry["path"]] = done

    def _settings(self) -> None:
        """Set kernel settings in one call; one that can't be set is a warning, as in pkgpanda."""
        settings: dict[str, str] = self._plan.get("sysctl", {})
        if not settings:
            return
        import subprocess

        words = [f"{name}={value}" for name, value in settings.items()]
        try:
            done = subprocess.run(
                ["sysctl", "-q", "-w", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
            )
        except OSError as error:
            self._emit("warning", message=f"no kernel setting was set: {error.strerror}: sysctl")
            return
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            self._emit("warning", message=f"not every kernel setting could be set: {said}")
        for name, value in settings.items():
            self._state["sysctl"][name] = value
            self._state["boot"] = boot_id()
            self._emit("setting", name=name, value=value)

    def _reload(self) -> None:
        if not self._context.systemd:
            return
        self._systemctl("daemon-reload")
        if "target" in self._plan:
            self._systemctl("enable", "--no-reload", hostplan.TARGET)

    def _start(self) -> None:
        """Restart and start, one call each, then look once at how all of them are."""
        restart, start = self._plan.get("restart", []), self._plan.get("start", [])
        said = []
        if restart:
            said.append(self._move("restart", units.addressed(restart)))
        begun = [name for name in start if not units.is_template(name)]
        if begun and "target" in self._plan:
            begun.append(hostplan.TARGET)
        if begun:
            said.append(self._move("start", begun))
        moved = [*restart, *start]
        failed: list[units.Failure] = []
        if moved and not self._context.options.get("no_block_systemd"):
            if not any(said):  # a simple service counts as started before it has done anything
                time.sleep(float(str(self._context.options.get("settle") or 0)))
            failed = units.failures(moved, "\n".join(said))
        wrong = [each for each in said if each]
        if not failed:
            self._said += wrong
        self._failures += failed
        without = {failure.unit: failure for failure in failed}
        for name in moved:
            entry = self._units[name]
            entry["started"] = self._plan["wanted"][name]
            if name in without:
                entry["started"] = None
                self._tell(name, "failed", without[name])
            elif wrong and not failed:
                entry["started"] = None  # systemctl failed and can't tell at what
            else:
                self._tell(name, "restarted" if name in restart else "started")

    def _move(self, verb: str, names: list[str]) -> str:
        code, said = units.systemctl(verb, *self._block(), *names)
        return f"systemctl {verb}: {said or f'it ended with {code}'}" if code else ""

    def _systemctl(self, *words: str, fine: int = 0) -> None:
        code, said = units.systemctl(*words)
        if code not in (0, fine):
            self._said.append(f"systemctl {words[0]}: {said or f'it ended with {code}'}")

    def _block(self) -> list[str]:
        return ["--no-block"] if self._context.options.get("no_block_systemd") else []

    def _tell(self, name: str, action: str, failure: units.Failure | None = None) -> None:
        more = {} if failure is None else {"state": failure.state, "log": failure.log}
        reason = self._reasons.get(name, "")
        self._emit("unit", name=name, action=action, reason=reason, **more)


def _plan(facts_by_id: Mapping[str, Facts], roles: Sequence[str], context: Context) -> HostPlan:
    state = hoststate.load(context.root)
    wanted = hostplan.wanted(facts_by_id, roles, context.state_root)
    units_dir = context.units_dir
    observed = users.observe(
        wanted["users"], [each["group"] for each in wanted["users"].values() if each["group"]]
    )
    observed["directories"] = {path: users.owner_of(path) for path in wanted["directories"]}
    observed["target"] = os.path.lexists(f"{units_dir}/{hostplan.TARGET}")
    reasons = hostplan.problems(wanted, observed, make_users=context.make_users)
    if reasons:
        raise Conflict("; ".join(reasons))
    applied = {**state, "units": state["units"].get(units_dir, {})}
    if wanted["sysctl"] and state.get("boot") != boot_id():
        applied["sysctl"] = {}  # what was set then is gone
    found = hostplan.difference(wanted, applied, observed, systemd=context.systemd)
    if "pending" in state:  # also with nothing to take back: it has to be forgotten
        found["withdraw"] = hostplan.withdrawn(state["pending"], wanted)
    for entry in found.get("place", ()):
        units.check_place(units_dir, entry, ours=entry["unit"] in applied["units"])
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


def _record(context: Context, *, pending: HostPlan) -> None:
    state = hoststate.load(context.root)
    state["pending"] = pending
    hoststate.save(context.root, state)


def boot_id() -> str:
    """What differs between two boots; proc(5)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""


def _on_path(program: str) -> bool:
    return any(os.access(f"{directory}/{program}", os.X_OK) for directory in os.get_exec_path())
