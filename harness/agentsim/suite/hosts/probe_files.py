"""The probe commands and their route tables, written to a directory that a host can serve.

A table needs absolute paths, so tables are kept as templates: `@DIR@` in any string becomes that
directory, `@PYTHON@` a Python, and `@LONG@` a word that is too long for execve(2).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SUITE = Path(__file__).parents[1]
# In a wheel the fixtures lie in the suite; in the project's own tree they have a folder.
FIXTURES: Final = next(
    folder
    for folder in (_SUITE / "fixtures", _SUITE.parents[2] / "fixtures")
    if (folder / "commands" / "probe").is_file()
)
# Linux takes no single argument of 32 pages or more (execve(2), MAX_ARG_STRLEN).
_LONG: Final = "x" * 140_000

#: The one principal of the probe tables' realm.
PRINCIPAL: Final = "alice"
SECRET: Final = "secret"
REALM: Final = "mesos-agent-readwrite"
#: What a host under test has to add to the environment of its commands.
ENVIRONMENT: Final = {"PROBE_HOST": "the host's", "PROBE_BOTH": "the host's"}


@dataclass(frozen=True)
class Probes:
    """A directory with all that a host needs to be put under test.

    Attributes:
        directory: holds all of it.
        tables: the route tables to serve.
        credentials: a credentials file in Mesos's format.
    """

    directory: Path
    tables: tuple[Path, ...]
    credentials: Path


def write(directory: Path, python: str = sys.executable) -> Probes:
    """Write probe commands, their tables and credentials.

    Args:
        directory: where; made if it is not there. Everyone may read what is written, so that hosts
            of other users can run it.
        python: the Python that one of the commands uses, as the host sees it.
    """
    directory = directory.resolve()
    for folder in (directory, directory / "tables", directory / "path", directory / "broken"):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.copytree(FIXTURES / "commands", directory / "commands", dirs_exist_ok=True)
    _break(directory / "broken")
    tables = []
    for template in sorted((FIXTURES / "tables").glob("*.json")):
        table = directory / "tables" / template.name
        words = {"@DIR@": str(directory), "@LONG@": _LONG, "@PYTHON@": python}
        filled = _filled(json.loads(template.read_bytes()), words)
        table.write_text(json.dumps(filled, indent=1) + "\n", encoding="utf-8")
        tables.append(table)
    credentials = directory / "credentials.json"
    pair = {"principal": PRINCIPAL, "secret": SECRET}
    credentials.write_text(json.dumps({"credentials": [pair]}) + "\n", encoding="utf-8")
    return Probes(directory, tuple(tables), credentials)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, meaning in words.items():
            value = value.replace(word, meaning)
        return value
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, words) for key, item in value.items()}
    return value


def _break(folder: Path) -> None:
    """Programs that can't be started, each for a reason of its own."""
    (folder / "not-executable").write_text("#!/bin/sh\n")
    (folder / "not-executable").chmod(0o644)
    (folder / "directory").mkdir(exist_ok=True)
    (folder / "interpreter").write_text("#!/no/such/interpreter\n")
    (folder / "interpreter").chmod(0o755)
    (folder / "dangling").unlink(missing_ok=True)
    (folder / "dangling").symlink_to("/no/such/program")
    program = shutil.which("true") or "/bin/true"
    shutil.copyfile(program, folder / "busy")  # a test holds it open for writing
    (folder / "busy").chmod(0o755)
