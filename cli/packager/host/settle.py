"""Brings units, settings and owners to a set that has become active: `settle` of `host.apply`."""

from __future__ import annotations

import time

from packager.base.errors import ConfigError, PackagerError
from packager.base.kept_places import keep_copy
from packager.base.stop_signals import signals_deferred
from packager.host import applied_state, host_plan, own_unit, systemd_units, users
from packager.host.system_programs import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from packager.base.events import Emit
    from packager.host.context import Context
    from packager.host.documents import (
        AppliedState,
        HostPlan,
        PlannedDirectory,
        PlannedOwner,
        UnitState,
    )


class UnitsFailed(PackagerError):
    """Units did not start, or systemctl failed; everything else was done (EX_IOERR).

    `failures` has the units; the message has their states and last log lines.
    """

    exit_code = 74

    def __init__(self, failures: Sequence[systemd_units.Failure], said: Sequence[str]) -> None:
        words = [*said]
        for failure in failures:
            log = "".join(f"\n    {line}" for line in failure.log.splitlines())
            words.append(f"{failure.unit}: {failure.state}{log}")
        super().__init__("some units failed: " + "\n".join(words))
        self.failures = tuple(failures)


class HostWork:
    """One `settle`. Whatever fails, the rest is done; the failures are raised at the end."""

    def __init__(self, plan: HostPlan, context: Context, state: AppliedState, emit: Emit) -> None:
        self._plan = plan
        self._context = context
        self._emit = emit
        self._dir = context.units_dir
        self._reasons = plan.get("reasons", {})
        self._state = state
        applied_state.adopt(state, context.adopting or {})
        state.pop("adopting", None)
        self._units = state["units"].setdefault(self._dir, {})
        self._said: list[str] = []  # by systemctl, where it failed as a whole
        self._stopped = context.systemd  # whatever was to be stopped
        self._reloaded = True
        self._failures: list[systemd_units.Failure] = []
        restarted = [*plan.get("restart", ()), *plan.get("try_restart", ())]
        self._own_instance = own_unit.own_unit() if restarted else None
        self._own = own_unit.name_among(restarted, self._own_instance)

    def carry_out(self) -> None:
        self._begin()
        self._stop()
        self._files()
        self._owners()
        self._settings()
        if self._plan.keys() & {"place", "remove", "target", "reload"}:
            self._reload()
        self._start()
        for path in self._plan.get("forget", ()):
            self._state["directories"].pop(path, None)
        applied_state.save(self._context.root, self._state)
        self._restart_own()
        if self._failures or self._said:
            raise UnitsFailed(self._failures, self._said)

    def _begin(self) -> None:
        """Write down what is about to be done, so that after a kill it is known what may have been.

        The new set is active: what `before` has made for it is its own from here on.
        """
        self._state.pop("pending", None)
        for directory in self._plan.get("directories", ()):
            self._remember(directory)
        for name in self._plan.get("masked", ()):
            self._units[name] = {"sha256": None, "started": None, "masked": True}
            self._emit("warning", message=f"{name} is masked on this host: it is left alone")
        for placement in self._plan.get("place", ()):
            unit = self._units.setdefault(placement["unit"], {"started": None})
            systemd_units.begin(unit, placement["sha256"])
            unit.pop("masked", None)
            unit.pop("static", None)
            if placement.get("static"):
                unit["static"] = True
        for name in self._plan.get("remove", ()):
            systemd_units.begin(self._units[name])
        for name in self._plan.get("stop", ()):  # it may run until it has certainly been stopped
            entry = self._units[name]
            entry["starting"] = entry.get("started") or entry.get("starting")
            entry["started"] = None
        for name, wanted in self._plan.get("wanted", {}).items():
            self._units[name]["starting"] = wanted
            self._units[name].pop("restarting", None)
        if "target" in self._plan:
            self._state["enabling"] = True
        if "place" in self._plan or "remove" in self._plan:
            self._state["reloading"] = True
        applied_state.save(self._context.root, self._state)

    def _remember(self, entry: PlannedDirectory | PlannedOwner) -> None:
        self._state["directories"][entry["path"]] = {
            "package": entry["package"],
            "user": entry["user"],
        }

    def _stop(self) -> None:
        names = self._plan.get("stop", [])
        if not names:
            return
        words = ("stop", *self._block(), *systemd_units.addressed(names))
        self._stopped = self._systemctl(*words, fine=systemd_units.NOT_LOADED)
        for name in names if self._stopped else ():
            self._tell(name, "stopped")

    def _files(self) -> None:
        """Place and remove unit files."""
        place, remove = self._plan.get("place", []), self._plan.get("remove", [])
        if not place and not remove:
            return
        systemd_units.make_directories(self._dir)
        systemd_units.sweep(self._dir)
        if "target" in self._plan:
            systemd_units.place_target(self._dir)
        for entry in place:
            unit = self._units[entry["unit"]]
            self._keep_edited(entry["unit"], unit)
            systemd_units.place(self._dir, self._context.root, entry)
            unit["sha256"] = entry["sha256"]
            del unit["placed"]
            self._tell(entry["unit"], "placed")
        for name in remove:
            unit = self._units[name]
            self._keep_edited(name, unit)
            systemd_units.remove(self._dir, name)
            del unit["placed"]
            if self._stopped or not (unit.get("started") or unit.get("starting")):
                del self._units[name]
            else:  # to be stopped by the next activation that can
                unit["sha256"] = None
            self._tell(name, "removed")
        systemd_units.sync(self._dir)

    def _keep_edited(self, name: str, unit: UnitState) -> None:
        """Keep a copy of a unit file that somebody has edited. Event: `kept` (of, path, place)."""
        content = systemd_units.edited(self._dir, name, unit)
        if content is not None:
            place = keep_copy(name, content, "units", self._context.root)
            self._emit("kept", of="units", path=f"{self._dir}/{name}", place=place)

    def _owners(self) -> None:
        for entry in self._plan.get("owners", ()):
            try:
                changed = users.own_tree(entry["path"], entry["user"], self._emit)
            except OSError as error:
                self._said.append(f"{entry['path']}: not all of it is {entry['user']}'s: {error}")
                continue
            if changed:
                self._emit("owner", path=entry["path"], user=entry["user"], changed=changed)
            self._remember(entry)

    def _settings(self) -> None:
        """Set kernel settings in one call; one that can't be set is a warning, as in pkgpanda."""
        settings = self._plan.get("sysctl", {})
        if not settings:
            return
        import subprocess

        words = [f"{name}={value}" for name, value in settings.items()]
        try:
            path = program("sysctl")
            with signals_deferred():
                done = subprocess.run(
                    [path, "-q", "-w", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    check=False,
                )
        except ConfigError as error:
            self._emit("warning", message=f"no kernel setting was set: {error}")
            return
        except OSError as error:
            self._emit("warning", message=f"no kernel setting was set: {path}: {error.strerror}")
            return
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            self._emit("warning", message=f"not every kernel setting could be set: {said}")
        if self._state.get("boot") != applied_state.boot_id():
            self._state["sysctl"] = {}  # what was set in an earlier boot is gone
            self._state["boot"] = applied_state.boot_id()
        for name, value in settings.items():
            self._state["sysctl"][name] = value
            self._emit("setting", name=name, value=value)

    def _reload(self) -> None:
        if not self._context.systemd:
            return
        self._reloaded = self._systemctl("daemon-reload")
        if self._reloaded:
            self._state.pop("reloading", None)
        if "target" in self._plan and self._systemctl("enable", "--no-reload", host_plan.TARGET):
            self._state.pop("enabling", None)

    def _start(self) -> None:
        """Restart and start, one call each, then look once at how all of them are. The unit that
        this process runs in is left for the end."""
        start = self._plan.get("start", [])
        restart = [name for name in self._plan.get("restart", ()) if name != self._own]
        running = [name for name in self._plan.get("try_restart", ()) if name != self._own]
        said = []
        # A static one that does not run is not touched: that its last run failed is no news.
        failed_before = {each.unit for each in systemd_units.failures(running, "")}
        if running:
            said.append(self._move("try-restart", systemd_units.addressed(running)))
        if restart:
            said.append(self._move("restart", systemd_units.addressed(restart)))
        begun = [name for name in start if not systemd_units.is_template(name)]
        if begun and "target" in self._plan:
            begun.append(host_plan.TARGET)
        if begun:
            said.append(self._move("start", begun))
        moved = [*running, *restart, *start]
        failed: list[systemd_units.Failure] = []
        if moved and self._context.options.block:
            if not any(said):  # a simple service counts as started before it has done anything
                time.sleep(self._context.options.settle_seconds)
            asked = [name for name in moved if name not in failed_before]
            failed = systemd_units.failures(asked, "\n".join(said))
        wrong = [each for each in said if each]
        if not failed:
            self._said += wrong
        self._failures += failed
        without = {failure.unit: failure for failure in failed}
        for name in moved if self._reloaded else ():  # else they may run as they were before
            entry = self._units[name]
            entry["started"] = entry.pop("starting")
            if name in without:
                entry["started"] = None
                self._tell(name, "failed", without[name])
            elif wrong and not failed:
                # systemctl failed and can't tell at what: the unit may run or not
                entry["started"], entry["starting"] = None, entry["started"]
            else:
                self._tell(name, "started" if name in start else "restarted")
        for name in self._plan.get("idle", ()) if self._reloaded else ():
            self._units[name]["started"] = self._units[name].pop("starting")

    def _restart_own(self) -> None:
        """Restart the unit that this process runs in, which ends this process, too: it is written
        down before, and not waited for."""
        name, instance = self._own, self._own_instance
        if name is None or instance is None:
            return
        if self._context.options.postpone_own:
            self._tell(name, "postponed")
            return
        if not self._reloaded:
            return
        self._units[name]["restarting"] = own_unit.restart_to_come(instance)
        applied_state.save(self._context.root, self._state)
        self._tell(name, "restarting")
        self._systemctl("restart", "--no-block", *systemd_units.addressed([name]))

    def _move(self, verb: str, names: list[str]) -> str:
        code, said = systemd_units.systemctl(verb, *self._block(), *names)
        return f"systemctl {verb}: {said or f'it ended with {code}'}" if code else ""

    def _systemctl(self, *words: str, fine: int = 0) -> bool:
        code, said = systemd_units.systemctl(*words)
        if code in (0, fine):
            return True
        self._said.append(f"systemctl {words[0]}: {said or f'it ended with {code}'}")
        return False

    def _block(self) -> list[str]:
        return [] if self._context.options.block else ["--no-block"]

    def _tell(self, name: str, action: str, failure: systemd_units.Failure | None = None) -> None:
        more = {} if failure is None else {"state": failure.state, "log": failure.log}
        reason = self._reasons.get(name, "")
        self._emit("unit", name=name, action=action, reason=reason, **more)
