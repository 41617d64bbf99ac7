"""Whether these commands work on this host, with this store: the bundle's check (`check/starts`).

Everything is imported that the bundle has, compiled libraries included, and each command starts in
a process of its own, as for a request. A health check of an apply runs this before the bundle
counts, and `install` before it is put into the store.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from packager.cli import output

PYTHON = Path(__file__).parents[2]  # what is imported
PATIENCE_SECONDS = 30.0  # for one command to start


def main() -> NoReturn:
    """The program `check/starts`: 0 if it all works, else 65 and why, on standard error."""
    output.speaker = "starts"
    flaws = find_flaws(PYTHON.parent)
    for each in flaws:
        output.complain(each)
    sys.exit(65 if flaws else 0)


def find_flaws(package: Path) -> list[str]:
    """Why the bundle in the directory `package` does not work here, one sentence each."""
    return [*_imports(), *_starts(package)]


def store_of(package: Path) -> Path | None:
    """The store in which the package in this directory is installed; None: it is in none."""
    store = package.parent.parent
    known = package.parent.name == "packages" and (store / "manifests" / package.name).is_file()
    return store if known else None


def _imports() -> list[str]:
    """What can't be imported, and why."""
    flaws = []
    for name in sorted(each.name for each in PYTHON.iterdir()):
        stem = name.partition(".")[0]
        if (
            not stem.isidentifier()
            or name.endswith(".dist-info")
            or name.startswith(("for.", "__"))
        ):
            continue  # nothing to import: not a module's name, what a library says, the marker
        try:
            import_module(stem)
        except Exception as error:
            flaws.append(f"{stem} can't be imported: {type(error).__name__}: {error}")
    return flaws


def _starts(package: Path) -> list[str]:
    """Which commands do not start, and what they say."""
    flaws = []
    store = store_of(package)
    for program in sorted((package / "bin").iterdir()):
        lines = [["--version"]]
        if program.name == "packager" and store is not None:
            lines.append(["list", f"--root={store}"])  # whether it can read what is there
        for words in lines:
            command = [os.fspath(program), *words]
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=PATIENCE_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                flaws.append(f"{program.name} {words[0]}: {error}")
                continue
            if done.returncode != 0:
                said = done.stderr.decode(errors="replace").strip()
                flaws.append(f"{program.name} {words[0]} ended with {done.returncode}: {said}")
    return flaws
