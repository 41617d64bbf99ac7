"""`packager check`: the active packages' own check programs."""

from __future__ import annotations

import os
from contextlib import closing

from packager.base.ownership import refuse_others_directories
from packager.base.stop_signals import stoppable
from packager.cli import output
from packager.cli.progress import listener
from packager.generations.document import active_generation
from packager.generations.environment_files import variables
from packager.host import package_checks
from packager.host.package_checks import Check, Result
from packager.store.translation import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED_CHECKS = 65


def run(
    *,
    root: str,
    names: Sequence[str],
    only_list: bool,
    timeout: float,
    jobs: int,
    exit_zero: bool,
    output_format: str,
) -> int:
    """Run, or list, the checks; 65 if one fails, unless `exit_zero`. Raises PackagerError,
    OutputFailed, Stopped."""
    root = os.path.abspath(root)  # noqa: PTH100
    with translated(root):
        if not only_list:
            refuse_others_directories(root)  # whose programs would run as this user
        active = active_generation(root)
        packages = active.packages if active is not None else {}
        found, passed = package_checks.find(root, packages, names)
    for path in passed:
        output.complain(f"warning: {path} is not an executable file; it is left out")
    if only_list:
        _list(found, passed, output_format)
        return 0
    environment = {**os.environ, **variables(root, packages)}
    results: list[Result] = []
    with (
        stoppable(),
        listener(output_format) as emit,
        closing(
            package_checks.run(found, timeout=timeout, jobs=max(jobs, 1), environment=environment)
        ) as running,
    ):
        for result in running:
            results.append(result)
            if output_format == "ndjson":
                output.json_line({"event": "check", **result.document()})
    results.sort(key=lambda each: (each.check.package, each.check.name))
    failed = [each for each in results if not each.ok]
    if output_format == "json":
        told = [each.document() for each in results]
        output.json_line({"ok": not failed, "checks": told, "left_out": passed})
    elif output_format == "ndjson":
        emit("checked", ok=not failed, checks=len(results), failed=len(failed))
    elif results:
        _table(results)
    if failed:
        count = output.plural(len(results), "check")
        output.complain("\n".join([f"{len(failed)} of {count} failed", *map(_words, failed)]))
    return FAILED_CHECKS if failed and not exit_zero else 0


def _list(found: list[Check], passed: list[str], output_format: str) -> None:
    by_package: dict[str, list[str]] = {}
    for check in found:
        by_package.setdefault(check.package, []).append(check.name)
    packages = [{"id": package, "checks": names} for package, names in by_package.items()]
    if output_format == "json":
        output.json_line({"packages": packages, "left_out": passed})
    elif output_format == "ndjson":
        for each in packages:
            output.json_line(each)
    else:  # as pkgpanda lists them
        for package, names in by_package.items():
            output.line("\n".join([package, *(f" - {name}" for name in names)]))


def _table(results: list[Result]) -> None:
    rows = [
        (each.check.package, each.check.name, _verdict(each), f"{each.seconds:.1f} s")
        for each in results
    ]
    output.table(("package", "check", "result", "time"), rows)


def _verdict(result: Result) -> str:
    if result.ok:
        return "ok"
    if result.reason == "exit":
        return f"exit code {result.exit_code}"
    return {"signal": f"killed by {result.signal}", "timeout": "timed out"}.get(
        result.reason, "can't be started"
    )


def _words(result: Result) -> str:
    """One failed check with the end of what it said."""
    said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-5:]
    head = f"{result.check.package} {result.check.name}: {_verdict(result)}"
    return "\n".join([head, *(f"    {line}" for line in said)])
