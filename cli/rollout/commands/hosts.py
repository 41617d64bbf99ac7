"""`rollout hosts`: who is selected, and who is not and why."""

from __future__ import annotations

from typing import Any

from packager.cli import output

from rollout.cli.hosts_table import hosts_document, show_hosts
from rollout.commands.choices import master_access
from rollout.controller.preview import preview
from rollout.strategy.reader import read_strategy


def run(*, source: str, output_format: str, **given: Any) -> int:
    """Report it. Raises PackagerError, OutputFailed."""
    _, strategy = read_strategy(source)
    found = preview(strategy, master_access(given))
    if output_format == "json":
        output.json_line(hosts_document(found))
    else:
        show_hosts(found)
    return 0
