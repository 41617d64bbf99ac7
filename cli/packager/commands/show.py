"""`packager show`: what the store's record says of one package; no file of it is read.

Of a private package (a configuration with secrets in it) sizes and hashes are not told: whoever
calls may guess a short secret and compare. Its owner finds them in ROOT/manifests.
"""

from __future__ import annotations

from packager.cli import output
from packager.package.package_id import split_id
from packager.store.store import Store


def run(*, root: str, package_id: str, output_format: str) -> int:
    """Show one package; raises PackagerError, OutputFailed."""
    store = Store(root)
    record = store.show(package_id)
    private = store.is_private(package_id)
    name, version = split_id(record.id)
    if output_format == "json":
        output.json_line(
            {
                "id": record.id,
                "name": name,
                "version": version,
                "private": private,
                "size": None if private else record.size,
                "files": record.files,
                "sha256": None if private else record.archive_sha256,
                "archive_size": None if private else record.archive_size,
                "tree": None if private else record.tree,
                "pkginfo": record.pkginfo,
            }
        )
        return 0
    pairs = [
        ("id", record.id),
        ("name", name),
        ("version", version),
    ]
    if private:
        pairs.append(("private", "sizes and hashes are not told: they are of secrets"))
    else:
        files = output.plural(record.files, "file")
        pairs += [
            ("size", f"{output.amount(record.size)} in {files}"),
            ("archive", output.amount(record.archive_size)),
            ("sha256", record.archive_sha256),
            ("tree", record.tree),
        ]
    if record.pkginfo is not None:
        import json

        pairs.append(("pkginfo", json.dumps(record.pkginfo, indent=2, ensure_ascii=False)))
    output.fields(pairs)
    return 0
