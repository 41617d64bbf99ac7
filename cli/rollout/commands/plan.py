"""`rollout plan`: what a rollout would begin with; nothing is changed."""

from __future__ import annotations

from typing import Any

from packager.cli import output

from rollout.cli.hosts_table import plan_document, show_plan
from rollout.controller.access import Access
from rollout.controller.preview import preview, refuse_flaws
from rollout.strategy.reader import read_strategy


def run(*, source: str, output_format: str, **access: Any) -> int:
    """Report it. Raises DataError where nothing could begin, PackagerError, OutputFailed."""
    _, strategy = read_strategy(source)
    found = preview(strategy, Access(**access))
    if output_format == "json":
        output.json_line(plan_document(found))
    elif found.turns:
        show_plan(found)
    refuse_flaws(found)
    return 0
