"""`rollout start`: bring a profile to the hosts."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

from packager.base.documents.parser import parse
from packager.base.documents.source import STDIN, read_file

from rollout.cli.presentation import finish, presented, waiting
from rollout.commands.choices import Chosen, chosen
from rollout.controller.access import master_client
from rollout.controller.beginning import new_head, refuse_unfit, unfit_hosts
from rollout.controller.preview import Preview, refuse_flaws, worked_out
from rollout.controller.session import carry_on
from rollout.core.strategy import Strategy
from rollout.hosts.access import open_hosts
from rollout.master.client import sight_patiently
from rollout.records.places import open_store, place_of
from rollout.records.profiles import KIND, why_not_recorded
from rollout.records.rollout_record import RolloutRecord
from rollout.strategy.reader import read_strategy


def run(*, source: str, output_format: str, **given: Any) -> int:
    """Carry it out; give the exit status for how it ended. Raises PackagerError, OutputFailed."""
    options = chosen(given)
    document, strategy = read_strategy(source)
    folder = Path() if source == STDIN else Path(source).parent
    path = str(folder / strategy.profile)
    profile = read_file(path, KIND).content
    parse(profile, path, KIND)  # what no host could read is refused before any is asked
    found = asyncio.run(_looked_at(strategy, options))
    apart = {each.host: each.reason for each in found.selection.left_out if each.fits}
    head = new_head(strategy.name, document, found.turns, found.batches, apart=apart)
    reason = why_not_recorded(profile)
    place = place_of(strategy.masters)
    with (
        closing(open_store(place, options.journal, options.access.zk_credentials)) as store,
        presented(head.id, options.journal, output_format, waiting(head)) as shown,
    ):
        shown.journal.remember(head.id, place)  # before it is there: else nobody would find it
        RolloutRecord.create(store, head, None if reason else profile)
        shown.say(f"rollout {head.id}: {len(head.order)} hosts")
        if reason:
            shown.say(f"the profile is not recorded ({reason}): resume with --profile=FILE")
        ended = carry_on(store, head.id, options.session(shown.listener), strategy, profile)
    return finish(ended, output_format)


async def _looked_at(strategy: Strategy, options: Chosen) -> Preview:
    """What it begins with. Raises DataError for everything that keeps it from beginning."""
    async with master_client(strategy, options.access) as master:
        sighting = await sight_patiently(master, options.access.wait)
    found = worked_out(strategy, sighting)
    refuse_flaws(found)
    async with open_hosts(options.hosts) as hosts:
        refuse_unfit(await unfit_hosts(hosts, [agent.host for agent in found.turns]))
    return found
