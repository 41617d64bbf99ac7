"""`packager list`: the ids of the store, read with one look at one directory.

This is the command that hosts call most, so nothing is imported for it that it can do without; an
id is made of letters that JSON takes as they are (see `package_id`).
"""

from __future__ import annotations

from packager.cli import output
from packager.package.package_id import split_id
from packager.store.installed import installed_ids


def run(*, root: str, output_format: str) -> int:
    """List the packages of `root`; raises PackagerError, OutputFailed."""
    rows = [(package_id, *split_id(package_id)) for package_id in installed_ids(root)]
    if output_format == "table":
        _table(root, rows)
        return 0
    objects = [f'{{"id":"{i}","name":"{name}","version":"{v}"}}' for i, name, v in rows]
    if output_format == "json":
        output.line(f'{{"packages":[{",".join(objects)}]}}')
    elif objects:
        output.line("\n".join(objects))
    return 0


def _table(root: str, rows: list[tuple[str, str, str]]) -> None:
    if rows:
        output.table(("id", "name", "version"), rows)
    elif output.is_terminal(output.STDOUT):
        output.complain(f"no packages in {root}")
