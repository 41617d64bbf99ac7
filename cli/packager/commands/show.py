"""`packager show`: what the store's record says of one package; no file of it is read."""

from __future__ import annotations

from packager.cli import output
from packager.package.package_id import split_id
from packager.store.store import Store


def run(*, root: str, package_id: str, output_format: str) -> int:
    """Show one package; raises PackagerError, OutputFailed."""
    record = Store(root).show(package_id)
    name, version = split_id(record.id)
    if output_format == "json":
        output.json_line(
            {
                "id": record.id,
                "name": name,
                "version": version,
                "size": record.size,
                "files": record.files,
                "sha256": record.archive_sha256,
                "archive_size": record.archive_size,
                "tree": record.tree,
                "pkginfo": record.pkginfo,
            }
        )
        return 0
    pairs = [
        ("id", record.id),
        ("name", name),
        ("version", version),
        ("size", f"{output.amount(record.size)} in {output.plural(record.files, 'file')}"),
        ("archive", output.amount(record.archive_size)),
        ("sha256", record.archive_sha256),
        ("tree", record.tree),
    ]
    if record.pkginfo is not None:
        import json

        pairs.append(("pkginfo", json.dumps(record.pkginfo, indent=2, ensure_ascii=False)))
    output.fields(pairs)
    return 0
