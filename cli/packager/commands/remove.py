"""`packager remove`: one package less."""

from __future__ import annotations

from packager.base.stop_signals import stoppable
from packager.cli import output
from packager.store.store import Store


def run(*, root: str, package_id: str, output_format: str) -> int:
    """Remove one package; raises PackagerError, OutputFailed, Stopped."""
    with stoppable():
        Store(root).remove(package_id)
    if output_format == "json":
        output.json_line({"id": package_id, "removed": True})
    else:
        output.line(f"removed {package_id}")
    return 0
