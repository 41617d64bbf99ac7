"""`packager remove`: one package less."""

from __future__ import annotations

from packager.cli import output
from packager.cli.progress import listener, listening
from packager.store.store import Store


def run(*, root: str, package_id: str, discard: bool, output_format: str) -> int:
    """Remove one package; raises PackagerError, OutputFailed, Stopped."""
    with listening(listener(output_format)) as emit:
        Store(root).remove(package_id, discard=discard, emit=emit)
    if output_format == "json":
        output.json_line({"id": package_id, "removed": True})
    else:
        output.line(f"removed {package_id}")
    return 0
