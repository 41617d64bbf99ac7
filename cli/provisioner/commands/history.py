"""`provisioner history`: the runs that have changed the host, oldest first."""

from __future__ import annotations

import os

from packager.base.errors import NotFound
from packager.cli import output

from provisioner.runs import reader
from provisioner.runs.rollout_state import told_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from provisioner.runs.documents import RunGenerations
    from provisioner.runs.run import Run

    class RunSummary(TypedDict):
        """A run as JSON has it. applied: whether its profile counts now."""

        run: int
        applied: bool
        command: str
        profile: str
        time: str
        finished: str | None
        who: str
        request_id: str | None
        generation: RunGenerations
        roles: list[str]
        packages: list[str]
        outcome: str
        reason: str | None
        revision: str | None
        rollout: str | None
        attempt: int | None


UNFINISHED, INTERRUPTED = "unfinished", "interrupted"  # of runs without an outcome


def run(*, root: str, output_format: str) -> int:
    """List the runs; raises PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    applied, pending = reader.applied_run(root), reader.pending_run(root)
    runs = []
    for number in reader.run_numbers(root):
        try:
            runs.append(reader.read_run(root, number))
        except NotFound:
            continue  # deleted since the listing
    summaries = [_summary(each, applied, pending) for each in runs]
    if output_format == "json":
        output.json_line(
            {
                "applied": applied.number if applied else None,
                "pending": pending.number if pending else None,
                "runs": summaries,
                **told_state(root),
            }
        )
    elif output_format == "ndjson":
        for summary in summaries:
            output.json_line(summary)
    elif summaries:
        output.table(
            ("run", "time", "who", "profile", "generation", "outcome", "reason"),
            [_row(each) for each in summaries],
        )
    elif output.is_terminal(output.STDOUT):
        output.complain(f"no profile was applied to {root} yet")
    return 0


def _summary(run: Run, applied: Run | None, pending: Run | None) -> RunSummary:
    record = run.record
    outcome = run.outcome
    if outcome is None:
        is_pending = pending is not None and pending.number == run.number
        outcome = UNFINISHED if is_pending else INTERRUPTED
    return {
        "run": run.number,
        "applied": applied is not None and applied.number == run.number,
        "command": record["command"],
        "profile": run.profile_name,
        "time": record["time"],
        "finished": record["finished"],
        "who": record["who"],
        "request_id": record["request_id"],
        "generation": record["generation"],
        "roles": record["roles"],
        "packages": record["packages"],
        "outcome": outcome,
        "reason": record["reason"],
        "revision": record.get("revision"),
        "rollout": record.get("rollout"),
        "attempt": record.get("attempt"),
    }


def _row(summary: RunSummary) -> tuple[str, ...]:
    mark = "*" if summary["applied"] else " "
    first_line = (summary["reason"] or "").partition("\n")[0]
    return (
        f"{mark}{summary['run']}",
        summary["time"],
        summary["who"],
        summary["profile"],
        str(summary["generation"]["after"] or ""),
        summary["outcome"],
        first_line,
    )
