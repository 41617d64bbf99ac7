"""Route tables whose command is a few lines of shell."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def shell_table(directory: Path, script: str, *routes: dict[str, Any], name: str = "t") -> Path:
    """Write NAME.json and its command into a directory.

    Args:
        directory: where both go.
        script: the command; a route's `argv` are its `$1`, `$2`, …
        routes: as in a table; `method` is GET and `argv` the path without its slash if not given.
        name: the process id, and of the file.
    """
    command = directory / f"{name}.sh"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    table = {
        "abi": 1,
        "process": name,
        "command": [str(command)],
        "routes": [{"method": "GET", "argv": [r["path"][1:]], **r} for r in routes],
    }
    path = directory / f"{name}.json"
    replaced = path.with_suffix(".new")
    replaced.write_text(json.dumps(table))
    os.replace(replaced, path)  # noqa: PTH105 - whoever reads it meanwhile finds one or the other
    return path
