"""`provisioner history`: the runs that have changed the host, oldest first."""

from __future__ import annotations

import os

from packager.base.errors import NotFound
from packager.cli import output

from provisioner.runs import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from provisioner.profile.model import Document
    from provisioner.runs.records import Run


def run(*, root: str, output_format: str) -> int:
    """List the runs; raises PackagerError, OutputFailed."""
    root = os.path.abspath(root)  # noqa: PTH100
    applied, pending = records.applied(root), records.pending(root)
    found = []
    for number in records.numbers(root):
        try:
            found.append(records.read(root, number))
        except NotFound:
            continue  # forgotten since the listing
    documents = [_document(each, applied, pending) for each in found]
    if output_format == "json":
        output.json_line(
            {
                "applied": applied.number if applied else None,
                "pending": pending.number if pending else None,
                "runs": documents,
            }
        )
    elif output_format == "ndjson":
        for document in documents:
            output.json_line(document)
    elif documents:
        output.table(
            ("run", "time", "who", "profile", "generation", "outcome", "reason"),
            [_row(each) for each in documents],
        )
    elif output.is_terminal(output.STDOUT):
        output.complain(f"no profile was applied to {root} yet")
    return 0


def _document(run: Run, applied: Run | None, pending: Run | None) -> Document:
    record = run.record
    outcome = record["outcome"]
    if outcome is None:
        outcome = "unfinished" if pending and pending.number == run.number else "interrupted"
    return {
        "run": run.number,
        "applied": applied is not None and applied.number == run.number,
        "command": record["command"],
        "profile": record["profile"]["name"],
        "time": record["time"],
        "finished": record["finished"],
        "who": record["who"],
        "request_id": record["request_id"],
        "generation": record["generation"],
        "roles": record["roles"],
        "packages": record["packages"],
        "outcome": outcome,
        "reason": record["reason"],
    }


def _row(each: Document) -> tuple[str, ...]:
    mark = "*" if each["applied"] else " "
    generation = each["generation"]["after"]
    reason = (each["reason"] or "").partition("\n")[0]
    return (
        f"{mark}{each['run']}",
        each["time"],
        each["who"],
        each["profile"],
        str(generation or ""),
        each["outcome"],
        reason,
    )
