"""Runs an apply (or a rollback, which is one), and reports its result in the output format."""

from __future__ import annotations

from packager.cli import output
from packager.cli.progress import listening

from provisioner.cli.progress import listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from packager.base.events import Emit

    from provisioner.applying.request import ApplyResult


def run_and_report(work: Callable[[Emit], ApplyResult], output_format: str) -> int:
    """Do `work` and write its result; the exit code. Raises PackagerError, OutputFailed,
    Stopped."""
    with listening(listener(output_format)) as emit:
        _report(work(emit), output_format, emit)
    return 0


def _report(result: ApplyResult, output_format: str, emit: Emit) -> None:
    if output_format == "ndjson":
        emit(
            "applied",
            profile=result.profile_name,
            run=result.run_number,
            generation=result.generation,
            changed=result.changed,
            packages=len(result.packages),
        )
    elif output_format == "json":
        output.json_line(
            {
                "profile": result.profile_name,
                "run": result.run_number,
                "generation": result.generation,
                "changed": result.changed,
                "packages": result.packages,
            }
        )
    elif result.changed:
        run = f"run {result.run_number}, generation {result.generation}"
        output.line(f"applied {result.profile_name} ({run})")
    else:
        output.line(f"the host is as {result.profile_name} says; nothing was changed")
