"""`rollout undo`: take each host of a rollout back to the revision that it had."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from packager.base.errors import DataError

from rollout.cli.presentation import finish, presented, waiting
from rollout.commands.carried_on import found
from rollout.commands.choices import Chosen, chosen
from rollout.controller.access import master_client
from rollout.controller.beginning import hosts_to_undo, new_head, refuse_unfit, unfit_hosts
from rollout.controller.session import carry_on
from rollout.core import rollout_states
from rollout.core.batches import plan_batches
from rollout.core.registry import Agent
from rollout.core.strategy import Strategy
from rollout.hosts.access import open_hosts
from rollout.master.client import sight_patiently
from rollout.records.places import open_store
from rollout.records.rollout_record import RolloutRecord
from rollout.strategy.reader import strategy as read_document


def run(*, rollouts: Sequence[str], masters: str | None, output_format: str, **given: Any) -> int:
    """Carry it out; give the exit status for how it ended. Raises PackagerError, OutputFailed."""
    options = chosen(given)
    credentials = options.access.zk_credentials
    with found(rollouts, masters, options.journal, credentials) as one:
        undone = RolloutRecord.load(one.store, one.id)
    head = undone.head
    if head.state not in rollout_states.ENDED:
        raise DataError(
            f"rollout {head.id} is {head.state}: it has to end first; 'rollout abort' ends it"
        )
    strategy = read_document(head.strategy, f"the strategy of {head.id}")
    turns = asyncio.run(_turns(undone, strategy, options))
    if not turns:
        raise DataError(f"rollout {head.id} has not changed any host")
    batches = plan_batches(strategy.batches, turns)
    new = new_head(f"undo of {head.name}", head.strategy, turns, batches, undoes=head.id)
    with (
        closing(open_store(one.place, options.journal, credentials)) as store,
        presented(new.id, options.journal, output_format, waiting(new)) as shown,
    ):
        shown.journal.remember(new.id, one.place)
        RolloutRecord.create(store, new, None)
        shown.say(f"rollout {new.id} takes {head.id} back on {len(new.order)} hosts")
        ended = carry_on(store, new.id, options.session(shown.listener), strategy, b"")
    return finish(ended, output_format)


async def _turns(undone: RolloutRecord, strategy: Strategy, options: Chosen) -> list[Agent]:
    async with master_client(strategy, options.access) as master:
        sighting = await sight_patiently(master, options.access.wait)
    turns = hosts_to_undo(undone.head, undone.hosts, sighting.registry.agents)
    async with open_hosts(options.hosts) as hosts:
        refuse_unfit(await unfit_hosts(hosts, [agent.host for agent in turns]))
    return turns
