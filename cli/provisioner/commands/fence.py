"""`provisioner fence`: another controller of many hosts begins, and the one before has ended."""

from __future__ import annotations

import os

from packager.base.errors import UsageError
from packager.cli import output

from provisioner.runs import reader
from provisioner.runs.rollout_book import raise_fence
from provisioner.runs.rollout_state import told_state


def run(*, root: str, number: int, holder: str | None, output_format: str) -> int:
    """Raise the fence, and tell what is known of rollouts. Raises Conflict for a lower number,
    PackagerError, OutputFailed."""
    if holder is None:
        raise UsageError("whose fence is it? say --holder=ID")
    root = os.path.abspath(root)  # noqa: PTH100
    raise_fence(root, number, holder)
    told = told_state(root)
    if output_format == "json":
        output.json_line({**told, "applied": _applied(root)})
    else:
        output.line(f"controllers with a fence below {told['fence']} are refused from now on")
    return 0


def _applied(root: str) -> dict[str, object] | None:
    run = reader.applied_run(root)
    if run is None:
        return None
    record = run.record
    return {
        "run": run.number,
        "profile": run.profile_name,
        "revision": record.get("revision"),
        "rollout": record.get("rollout"),
    }
