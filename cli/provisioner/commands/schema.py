"""`provisioner schema`: the JSON Schema of profiles."""

from __future__ import annotations

import os

from packager.cli import output

SCHEMA = os.path.join(os.path.dirname(os.path.dirname(__file__)), "profile", "profile.schema.json")  # noqa: PTH118, PTH120


def run(*, root: str) -> int:  # noqa: ARG001 - every command takes a root
    """Print the schema; raises OutputFailed, OSError."""
    with open(SCHEMA, "rb") as file:  # noqa: PTH123
        output.write(file.read())
    return 0
