"""`packager active`: the packages of the active generation."""

from __future__ import annotations

from packager.cli import output
from packager.generations.document import active_generation
from packager.package.package_id import split_id
from packager.store.translation import translated


def run(*, root: str, output_format: str) -> int:
    """List the active packages; raises PackagerError, OutputFailed."""
    with translated(root):
        active = active_generation(root)
    rows = [(each, *split_id(each)) for each in (active.packages if active else ())]
    packages = [{"id": i, "name": name, "version": version} for i, name, version in rows]
    if output_format == "json":
        output.json_line(
            {
                "generation": active.number if active else None,
                "time": active.time if active else None,
                "who": active.who if active else None,
                "request_id": active.request_id if active else None,
                "roles": active.roles if active else [],
                "packages": packages,
            }
        )
    elif output_format == "ndjson":
        for each in packages:
            output.json_line(each)
    elif rows:
        output.table(("id", "name", "version"), rows)
    elif output.is_terminal(output.STDOUT):
        output.complain(f"nothing is active in {root}")
    return 0
