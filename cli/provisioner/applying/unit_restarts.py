"""Restarts units whose configuration has changed, unless packager has just started them."""

from __future__ import annotations

from packager.api import (
    UnitsFailed,
    failed_units,
    masked_units,
    ordered_units,
    own_unit,
    systemctl,
    systemctl_names,
    unknown_units,
)
from packager.base.debug_log import debug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from packager.api import HostOptions
    from packager.base.events import Emit, Field

# Of packager's event `unit`.
STARTED_ACTIONS = frozenset({"started", "restarted", "restarting"})
POSTPONED_ACTION = "postponed"
REASON = "its configuration has changed"


class UnitRestarter:
    """Observes which units packager starts (`observe` is to be its `emit`), and restarts others."""

    def __init__(self, options: HostOptions, emit: Emit) -> None:
        self._options = options
        self._emit = emit
        self._started: set[str] = set()
        self._own = own_unit()
        self.postponed: str | None = None  # the unit that this command runs in
        self.is_postponed_by_packager = False  # whose activation restarts it, if repeated
        self.has_restarted = False  # whether any unit was restarted here

    def observe(self, event: str, /, **fields: Field) -> None:
        """Pass an event on, and remember the units that were started."""
        if event == "unit" and fields.get("action") in STARTED_ACTIONS:
            self._started.add(str(fields["name"]))
        if event == "unit" and fields.get("action") == POSTPONED_ACTION:
            self.postponed, self.is_postponed_by_packager = self._own, True
        self._emit(event, **fields)

    def forget_started(self) -> None:
        """Another set is about to become active: units started before that do not count."""
        self._started.clear()
        self.postponed, self.is_postponed_by_packager = None, False

    def restart(
        self, names: Iterable[str], *, required: Container[str] = (), static: Container[str] = ()
    ) -> None:
        """Restart the units that were not started yet, by one call. Events: `unit`, as packager's.

        required: units that must exist; others that are unknown to systemd are left out: they have
        gone with their package, or never came. So are those that the administrator has masked.
        static: units that are restarted only if they run. Raises UnitsFailed, ConfigError without
        systemctl, InputOutputError.
        """
        units = ordered_units(name for name in names if name not in self._started)
        if self._options.systemd:
            unknown = set(unknown_units([name for name in units if name not in required]))
            units = [name for name in units if name not in unknown]
            masked = masked_units(units)
            for name in masked:
                message = f"{name} is masked on this host: it is not restarted"
                self._emit("warning", message=message)
            units = [name for name in units if name not in masked]
            debug(lambda: f"restart: {units}; started already {sorted(self._started)}")
        if not units:
            return
        if not self._options.systemd:
            listed = ", ".join(units)
            message = f"{listed} would be restarted for new configuration: --no-systemd"
            self._emit("warning", message=message)
            return
        if self._own in units:
            units.remove(self._own)
            self.postponed = self._own
        for verb, chosen in (
            ("restart", [name for name in units if name not in static]),
            ("try-restart", [name for name in units if name in static]),
        ):
            if chosen:
                self._restart(verb, chosen)

    def restart_own(self, unit: str) -> None:
        """Restart the unit that this command runs in, which ends this command, too. Event: `unit`.
        Raises UnitsFailed."""
        self._restart("restart", [unit], block=False)

    def _restart(self, verb: str, units: list[str], *, block: bool | None = None) -> None:
        self.has_restarted = True
        block = self._options.block if block is None else block
        flags = [] if block else ["--no-block"]
        code, output = systemctl(verb, *flags, *systemctl_names(units))
        failed = failed_units(units, output) if code and block else []
        failed_names = {each.unit for each in failed}
        for name in units:
            if name not in failed_names:
                self.observe("unit", name=name, action="restarted", reason=REASON)
        for each in failed:
            self._emit(
                "unit",
                action="failed",
                reason=REASON,
                name=each.unit,
                state=each.state,
                log=each.log,
            )
        if failed or code:
            raise UnitsFailed(failed, [] if failed else [f"systemctl {verb}: {output or code}"])
