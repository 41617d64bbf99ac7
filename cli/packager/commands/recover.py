"""`packager recover`: what every changing command begins with, and nothing else."""

from __future__ import annotations

import os

from packager.cli import output
from packager.store import lock
from packager.store.write_session import undeleted, writing


def run(*, root: str, output_format: str) -> int:
    """Recover; raises PackagerError, OutputFailed. What can't be deleted is not blamed on a kill:
    it may be there because an earlier command could not delete it either."""
    path = os.path.abspath(root)  # noqa: PTH100
    with writing(path, lock_wait=lock.DEFAULT_WAIT, make=False) as session:
        found = session.found
    still = {str(each.filename).partition("/")[0] for each in session.undeleted}
    found = [each for each in found if each.removeprefix("staging/") not in still]
    if output_format == "json":
        output.json_line({"changed": bool(found), "found": found})
    elif found:
        for each in found:
            output.line(f"{each} was left by a command that was killed, and is cleared away")
    elif not still:
        output.line("nothing was left by killed commands")
    if session.undeleted:
        raise undeleted(path, session.undeleted[0])
    return 0
