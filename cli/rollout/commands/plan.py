"""`rollout plan`: what a rollout would begin with; nothing is changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from packager.base.documents.kind import DocumentKind
from packager.base.documents.source import STDIN, read_file
from packager.cli import output

from rollout.cli.hosts_table import plan_document, show_plan
from rollout.cli.plans_table import plans_document, show_plans
from rollout.commands.choices import host_access, master_access
from rollout.controller.host_plans import PlanGroup, host_plans
from rollout.controller.preview import Preview, preview, refuse_flaws
from rollout.core.strategy import Strategy
from rollout.hosts.access import HostAccess
from rollout.strategy.reader import read_strategy

PROFILE = DocumentKind("profile", "profiles", extra="rollout")


def run(
    *,
    source: str,
    output_format: str,
    sample: int,
    **given: Any,
) -> int:
    """Report it. Raises DataError where nothing could begin, PackagerError, OutputFailed."""
    _, strategy = read_strategy(source)
    found = preview(strategy, master_access(given))
    groups = _asked(found, strategy, source, host_access(given), sample)
    if output_format == "json":
        output.json_line({**plan_document(found), "plans": plans_document(groups)})
    elif found.turns:
        show_plan(found)
        show_plans(groups)
    refuse_flaws(found)
    return 0


def _asked(
    found: Preview, strategy: Strategy, source: str, access: HostAccess, sample: int
) -> list[PlanGroup]:
    if not sample or not found.turns:
        return []
    folder = Path() if source == STDIN else Path(source).parent
    profile = read_file(str(folder / strategy.profile), PROFILE).content
    hosts = [agent.host for agent in found.turns[:sample]]
    return asyncio.run(host_plans(hosts, profile, access))
