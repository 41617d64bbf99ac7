"""`provisioner schema`: the JSON Schema of profiles."""

from __future__ import annotations

from packager.cli import output

from provisioner.profile.schema_validation import SCHEMA_PATH


def run(*, root: str) -> int:  # noqa: ARG001 - every command takes a root
    """Print the schema; raises OutputFailed, OSError."""
    with open(SCHEMA_PATH, "rb") as file:  # noqa: PTH123
        output.write(file.read())
    return 0
