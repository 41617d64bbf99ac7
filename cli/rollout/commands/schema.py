"""`rollout schema`: the JSON Schema of strategies."""

from __future__ import annotations

from packager.cli import output

from rollout.strategy.reader import SCHEMA_PATH


def run() -> int:
    """Print the schema; raises OutputFailed, OSError."""
    output.write(SCHEMA_PATH.read_bytes())
    return 0
