"""Where the system's own programs are: systemctl, useradd, sysctl and their like.

cron and many a service manager give programs a PATH without the directories of those for
administrators (crontab(5): /usr/bin:/bin), so these are looked into as well, after the PATH.
"""

from __future__ import annotations

import os

from packager.base.errors import ConfigError

ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # directories
REMEDIES = {
    "systemctl": "without systemd, give --no-systemd",
    "useradd": "install it (the package passwd or shadow-utils), or make the user yourself",
    "userdel": "install it (the package passwd or shadow-utils), or remove the user yourself",
    "sysctl": "install it (the package procps or procps-ng)",
}


def find_program(name: str) -> str | None:
    """The path of the program `name`; None: it is not there."""
    for directory in (*os.get_exec_path(), *ADMINISTRATORS):
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK) and os.path.isfile(path):  # noqa: PTH113
            return path
    return None


def program(name: str) -> str:
    """The path of the program `name`. Raises ConfigError with the remedy if it is not there."""
    path = find_program(name)
    if path is None:
        raise ConfigError(
            f"there is no {name} on this host, neither on the PATH nor in "
            f"{', '.join(ADMINISTRATORS)}: {REMEDIES.get(name, 'install it')}"
        )
    return path
