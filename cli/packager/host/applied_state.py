"""ROOT/host.json: what of the active set has really been applied to the host.

    {"format": 1,
     "units": {"/etc/systemd/system": {"web.service": {"sha256": …, "started": [ID, SHA-256]}}},
     "sysctl": {"vm.max_map_count": "262144"},
     "boot": …, "directories": {"/var/lib/dcos/web": {"package": ID, "user": "dcos_web"}},
     "pending": {"generation": N, "users": […], "directories": […]},
     "adopting": {"generation": N, "units": …, "sysctl": …, "boot": …, "directories": …}}

`sha256` is of the unit file that was put in place, "" while that is being done, null when it was
taken away and the unit could not be stopped; `placed`, beside "", are those of the files that may
be there by our doing: any other was edited; `started` is null for a unit that was not started, or
failed; `starting`, beside it, is what it is being started with; `restarting`, beside both, tells of
the unit that the command ran in itself (see `own_unit`). `enabling` is there while dcos.target was
made and not enabled, `reloading` while systemd does not know of files placed or taken away. `boot`
tells in which boot the kernel settings were set. `pending` is what an activation has begun to make
before it becomes active; `adopting` what counts as applied once generation N is active, since
another manager has done it.

It is all written before anything of it is done and again when all is done, whole and durably, so
nothing of ours is ever forgotten.
"""

from __future__ import annotations

import json
import os

from packager.base.cast import cast
from packager.base.durable_files import replace_file_in
from packager.base.errors import DataError
from packager.host.own_unit import has_come

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.host.documents import AdoptedState, AppliedState

FORMAT = 1
NAME = "host.json"
NEW = ".host.json.new"


def load(root: str) -> AppliedState:
    """The state of the store at `root`; that of an untouched host if nothing was applied yet.

    Raises DataError, OSError.
    """
    path = f"{root}/{NAME}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except FileNotFoundError:
        return {"units": {}, "sysctl": {}, "directories": {}}
    try:
        state: dict[str, object] = json.loads(content)
        if state.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        for key in ("units", "sysctl", "directories"):
            if not isinstance(state[key], dict):
                raise ValueError(f"{key} is not an object")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: it was changed by something other than packager: {error}; remove it, and "
            "the next activation places and starts all units again"
        ) from error
    loaded = cast("AppliedState", state)
    _take_own_restarts(loaded)
    return loaded


def _take_own_restarts(state: AppliedState) -> None:
    """Let the restart of a unit count as done that has ended the command which asked for it."""
    for placed in state["units"].values():
        for unit in placed.values():
            if "restarting" in unit and has_come(unit["restarting"]):
                del unit["restarting"]
                unit["started"] = unit.pop("starting", None)


def save(root: str, state: AppliedState) -> None:
    """Replace the state durably. Raises OSError."""
    document = {"format": FORMAT, **state}
    content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    replace_file_in(root, NAME, content, temporary=NEW)


def adopt(state: AppliedState, adopted: AdoptedState) -> None:
    """Let what another manager has done count as applied."""
    for key in ("units", "sysctl", "boot", "directories"):
        if key in adopted:
            state[key] = adopted[key]


def boot_id() -> str:
    """What differs between two boots; proc(5)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""


def sweep(root: str) -> None:
    """Take away what a killed activation has left of a state. The caller holds the lock of
    activations. Raises OSError."""
    if os.path.lexists(f"{root}/{NEW}"):
        os.unlink(f"{root}/{NEW}")  # noqa: PTH108
