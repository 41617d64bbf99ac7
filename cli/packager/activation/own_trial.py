"""Before packager exchanges itself, the other version is tried: once it is active, it alone could
put things right, and a kill may come before any health check.

A bundle has a program for that, `check/starts`. Who runs packager from elsewhere than this store
needs no such care, and the program is run as every other check then.
"""

from __future__ import annotations

import os

from packager.base.debug_log import debug
from packager.base.errors import DataError
from packager.package.package_id import split_id
from packager.store.own_package import own_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "check/starts"
PATIENCE_SECONDS = 25.0  # others wait for the lock meanwhile


def refuse_broken_successor(root: str, target: Mapping[str, str]) -> None:
    """Raise DataError if this process runs from a package of the store at `root` in whose place a
    version becomes active that does not work here. target: names and ids of the new set. Raises
    OSError."""
    own = own_package(root)
    successor = target.get(split_id(own)[0]) if own is not None else None
    if successor is None or successor == own:
        return
    program = f"{root}/packages/{successor}/{PROGRAM}"
    if not os.access(program, os.X_OK):
        return
    reason = _trial(program)
    debug(lambda: f"{program}: {reason or 'it works'}")
    if reason is not None:
        raise DataError(
            f"{successor} does not work on this host, so {own} stays active; nothing was changed: "
            f"{reason}"
        )


def _trial(program: str) -> str | None:
    """Why the program failed; None: it did not."""
    import subprocess

    try:
        done = subprocess.run(
            [program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{PROGRAM} did not end within {PATIENCE_SECONDS:g} s"
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip()
    return f"{PROGRAM} ended with {done.returncode}: {said}"
