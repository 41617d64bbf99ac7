"""`packager recover`: what every changing command begins with, and nothing else."""

from __future__ import annotations

import os

from packager.cli import output
from packager.store import lock
from packager.store.write_session import writing


def run(*, root: str, output_format: str) -> int:
    """Recover; raises PackagerError, OutputFailed."""
    path = os.path.abspath(root)  # noqa: PTH100
    with writing(path, lock_wait=lock.DEFAULT_WAIT, make=False) as session:
        found = session.found
    if output_format == "json":
        output.json_line({"changed": bool(found), "found": found})
    elif found:
        for each in found:
            output.line(f"{each} was left by a command that was killed")
    else:
        output.line("nothing was left by killed commands")
    return 0
