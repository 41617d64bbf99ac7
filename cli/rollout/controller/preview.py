"""What a rollout would begin with: who is selected now, in which order, batches and budgets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from packager.base.errors import DataError

from rollout.controller.access import Access, master_client
from rollout.core.batches import Batch, plan_batches
from rollout.core.budgets import Budgets, NothingLeft, budgets
from rollout.core.ordering import ordered
from rollout.core.registry import Agent
from rollout.core.selection import Selection, flaws, select
from rollout.core.strategy import Strategy
from rollout.master.client import Sighting, sight_patiently


@dataclass(frozen=True)
class Preview:
    """turns: the selected hosts in their order. unavailable: those of them that are so now,
    whatever the cause. budgets: None, if they can't be had. flaws: why nothing can
    begin like this."""

    sighting: Sighting
    selection: Selection
    turns: tuple[Agent, ...]
    batches: tuple[Batch, ...]
    unavailable: tuple[Agent, ...]
    budgets: Budgets | None
    flaws: tuple[str, ...]

    def batch_of(self, at: int) -> int:
        """The number of the batch with which the host at place `at` of the order begins."""
        return next(number for number, batch in enumerate(self.batches, 1) if at < batch.hosts)


def preview(strategy: Strategy, access: Access) -> Preview:
    """Ask the master and work it out. Raises PackagerError."""

    async def sight() -> Sighting:
        async with master_client(strategy, access) as client:
            return await sight_patiently(client, access.wait)

    return worked_out(strategy, asyncio.run(sight()))


def worked_out(strategy: Strategy, sighting: Sighting) -> Preview:
    """The preview for what was seen. Pure."""
    selection = select(sighting.registry, strategy)
    turns = ordered(selection.agents, strategy.order)
    found = flaws(selection, strategy)
    limits = None
    unavailable = tuple(each for each in turns if not each.active)
    if turns:
        try:
            limits = budgets(strategy, len(turns))
        except NothingLeft as reason:
            found.append(str(reason))
    if limits is not None and len(unavailable) >= limits.unavailable:
        found.append(_used_up(limits, unavailable))
    batches = plan_batches(strategy.batches, turns) if turns else ()
    return Preview(sighting, selection, turns, batches, unavailable, limits, tuple(found))


def refuse_flaws(preview: Preview) -> None:
    """Raise DataError with everything for which nothing can begin like this."""
    if preview.flaws:
        raise DataError("\n".join(preview.flaws))


def _used_up(limits: Budgets, unavailable: tuple[Agent, ...]) -> str:
    if not unavailable:
        return "max_unavailable: 0 hosts may be unavailable, so nothing could ever begin"
    hosts = ", ".join(str(each.host) for each in unavailable)
    return (
        f"max_unavailable: {limits.unavailable} may be unavailable, and as many are before the "
        f"start: {hosts}"
    )
