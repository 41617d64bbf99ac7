"""How the host's side of an activation is to go about it: the values of the command's options."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict, Unpack

    class HostOptionValues(TypedDict, total=False):
        """The values of `definitions_host.HOST_OPTIONS` by dest, as a parser gives them."""

        no_systemd: bool
        no_block_systemd: bool
        settle: float
        rooted_systemd: bool
        rollback_on_failure: bool
        no_users: bool
        units_dir: str | None
        state_dir: str | None
        config_dir: str | None
        postpone_own: bool  # no option of the command line


UNITS_DIR = "/etc/systemd/system"
STATE_DIR = "/var/lib/dcos"
CONFIG_DIRS = ("/etc/packager", "/etc/mesosphere")  # ours, else pkgpanda's
ROLES = "roles"  # a directory in the configuration directory, with a file for each role
LEFTOVER_SUFFIXES = (
    *("~", ".bak", ".orig", ".rej", ".save", ".swo", ".swp", ".tmp"),
    *(".dpkg-bak", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp"),
    *(".rpmnew", ".rpmorig", ".rpmsave", ".ucf-dist", ".ucf-new", ".ucf-old"),
)
NO_USERS_FILE = "manual_host_users"  # in the configuration directory: it means no_users


class HostOptions:
    """systemd: whether units may be started and stopped. block: whether to wait for them; then
    settle_seconds pass between a start and the look at it. rollback_on_failure: go back to the
    generation that was active if a unit does not start. config_dirs: where it is set what this host
    is, the deciding one first. All paths are absolute but those of config_dirs. postpone_own: leave
    the restart of the unit that the command runs in to another activation of the same set.
    """

    __slots__ = (
        *("_values", "block", "config_dirs", "postpone_own", "rollback_on_failure"),
        *("settle_seconds", "state_root", "systemd"),
    )

    def __init__(self, **values: Unpack[HostOptionValues]) -> None:
        self._values = values
        self.systemd = not values.get("no_systemd", False)
        self.block = not values.get("no_block_systemd", False)
        self.settle_seconds = values.get("settle", 0.0)
        self.rollback_on_failure = values.get("rollback_on_failure", False)
        self.postpone_own = values.get("postpone_own", False)
        self.state_root = os.path.abspath(values.get("state_dir") or STATE_DIR)  # noqa: PTH100
        config_dir = values.get("config_dir")
        self.config_dirs = (config_dir,) if config_dir else CONFIG_DIRS

    def replace(self, **values: Unpack[HostOptionValues]) -> HostOptions:
        """These options, but for the given ones."""
        merged: HostOptionValues = {**self._values, **values}
        return HostOptions(**merged)

    def units_dir(self, root: str) -> str:
        """Where unit files are placed for the store at `root`."""
        if self._values.get("rooted_systemd"):
            return root
        return os.path.abspath(self._values.get("units_dir") or UNITS_DIR)  # noqa: PTH100

    @property
    def make_users(self) -> bool:
        """Whether missing users may be made. Looks for the file that forbids it."""
        return not self._values.get("no_users") and not any(
            os.path.lexists(f"{each}/{NO_USERS_FILE}") for each in self.config_dirs
        )

    def roles(self) -> tuple[str, ...]:
        """The roles of this host: the names of the files in `roles`, sorted. Raises OSError."""
        for directory in self.config_dirs:
            try:
                names = os.listdir(f"{directory}/{ROLES}")  # noqa: PTH208
            except FileNotFoundError:
                continue
            return tuple(sorted(name for name in names if not _is_leftover(name)))
        return ()


def _is_leftover(name: str) -> bool:
    """Whether an editor or a package manager has left the file: it is a copy of another one."""
    return name.startswith((".", "#")) or name.endswith(LEFTOVER_SUFFIXES)
