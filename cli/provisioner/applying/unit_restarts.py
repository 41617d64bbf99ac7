"""Units whose configuration has changed are restarted, unless packager has just done so."""

from __future__ import annotations

from packager.host import systemd_units
from packager.host.apply import UnitsFailed
from packager.host.host_plan import ordered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from packager.base.events import Emit, Field

    from provisioner.base.options import Settings

BEGUN = frozenset({"started", "restarted"})
REASON = "its configuration has changed"


class Restarter:
    """Hears what packager does about units (`listening` is to be its `emit`), and does the rest."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._begun: set[str] = set()
        self.touched = False  # whether any unit was restarted here

    def listening(self, event: str, /, **fields: Field) -> None:
        """Pass an event on, and remember the units that were begun."""
        if event == "unit" and fields.get("action") in BEGUN:
            self._begun.add(str(fields["name"]))
        self._emit(event, **fields)

    def forget(self) -> None:
        """Another set is about to become active: what was begun before does not count."""
        self._begun.clear()

    def restart(
        self, names: Iterable[str], settings: Settings, *, wanted: Container[str] = ()
    ) -> None:
        """Restart the units that were not begun yet, by one call. Events: `unit`, as packager's.

        wanted: what has to be there; of the others those that have gone with their package, or
        never came, are left out. Raises UnitsFailed, InputOutputError without systemctl.
        """
        left = ordered(name for name in names if name not in self._begun)
        if settings.systemd:
            gone = set(systemd_units.unknown([name for name in left if name not in wanted]))
            left = [name for name in left if name not in gone]
        if not left:
            return
        if not settings.systemd:
            words = f"{', '.join(left)} would be restarted for new configuration: --no-systemd"
            self._emit("warning", message=words)
            return
        block = [] if settings.host.block else ["--no-block"]
        self.touched = True
        code, said = systemd_units.systemctl("restart", *block, *systemd_units.addressed(left))
        failed = systemd_units.failures(left, said) if code and not block else []
        without = {failure.unit for failure in failed}
        for name in left:
            if name not in without:
                self.listening("unit", name=name, action="restarted", reason=REASON)
        for failure in failed:
            self._emit(
                "unit",
                action="failed",
                reason=REASON,
                name=failure.unit,
                state=failure.state,
                log=failure.log,
            )
        if failed or code:
            raise UnitsFailed(failed, [] if failed else [f"systemctl restart: {said or code}"])
