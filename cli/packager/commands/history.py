"""`packager history`: the generations, oldest first."""

from __future__ import annotations

import os

from packager.base.errors import NotFound
from packager.cli import output
from packager.generations.document import Generation, active_number, kept_numbers, read_generation
from packager.store.translation import translated


def run(*, root: str, output_format: str) -> int:
    """List the generations; raises PackagerError, OutputFailed."""
    with translated(root):
        active = active_number(root)
        found = []
        for number in kept_numbers(root):
            try:
                found.append(read_generation(root, number))
            except NotFound:
                continue  # forgotten since the listing
    documents = [
        {
            "generation": each.number,
            "active": each.number == active,
            "tree": os.path.lexists(f"{root}/generations/{each.number}"),
            "previous": each.previous,
            "time": each.time,
            "who": each.who,
            "request_id": each.request_id,
            "command": each.command,
            "roles": each.roles,
            "packages": list(each.packages),
        }
        for each in found
    ]
    if output_format == "json":
        output.json_line({"active": active, "generations": documents})
    elif output_format == "ndjson":
        for document in documents:
            output.json_line(document)
    elif found:
        _table(found, active)
    elif output.is_terminal(output.STDOUT):
        output.complain(f"no generations in {root}")
    return 0


def _table(found: list[Generation], active: int | None) -> None:
    header = ("generation", "time", "who", "command", "packages")
    known = {each.number: each for each in found}
    rows = []
    for each in found:
        mark = "*" if each.number == active else " "
        before = known.get(each.previous or 0)
        changes = _changes(before, each) if before is not None else ""
        count = output.plural(len(each.packages), "package")
        rows.append(
            (f"{mark}{each.number}", each.time, each.who, each.command, f"{count}{changes}")
        )
    output.table(header, rows)


def _changes(before: Generation, after: Generation) -> str:
    came = [f"+{each}" for each in after.packages if each not in before.packages]
    went = [f"-{each}" for each in before.packages if each not in after.packages]
    return f": {' '.join(came + went)}" if came or went else ""
