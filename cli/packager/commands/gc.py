"""`packager gc`: forget old generations, remove the packages that nothing needs any more."""

from __future__ import annotations

from packager.activation.garbage_collection import Collected, collect, collectable
from packager.cli import output
from packager.cli.progress import listener, listening


def run(*, root: str, keep: int, dry_run: bool, discard: bool, output_format: str) -> int:
    """Collect; raises PackagerError, OutputFailed, Stopped."""
    if dry_run:
        _report(collectable(root, keep), output_format, "would be ")
        return 0
    with listening(listener(output_format)) as emit:
        found = collect(root, keep, emit, discard=discard)
        if output_format == "ndjson":
            emit(
                "collected",
                changed=bool(found.generations or found.packages),
                generations=len(found.generations),
                packages=len(found.packages),
            )
        else:
            _report(found, output_format, "")
        if found.failure is not None:
            raise found.failure
    return 0


def _report(found: Collected, output_format: str, would_be: str) -> None:
    if output_format != "table":
        output.json_line(
            {
                "changed": bool(found.generations or found.packages),
                "generations": found.generations,
                "packages": found.packages,
                "kept": found.kept,
                "waiting": found.waiting,
                "running": dict(sorted(found.running.items())),
            }
        )
        return
    for number in found.generations:
        output.line(f"generation {number} {would_be}forgotten")
    for each in found.packages:
        output.line(f"{each} {would_be}removed")
    for each in found.waiting:
        output.line(f"{each} stays: nothing was activated since it was added")
    for each, processes in sorted(found.running.items()):
        shown = ", ".join(map(str, processes))
        output.line(f"{each} stays: it is in use by process {shown}")
    if not found.generations and not found.packages:
        output.line("nothing to collect")
