"""Hosts that the strategy selects and that come after the start: they join, or are told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from rollout.controller.beginning import flaws_of
from rollout.controller.keeper import Keeper
from rollout.core.registry import HostId
from rollout.core.strategy import Late
from rollout.hosts.access import Hosts
from rollout.records.store import Held

AGAIN_SECONDS = 5.0  # those that do not answer yet
MOST_AT_ONCE = 200  # hosts, in one write of the record
IGNORED = "it came after the start, and absent.late is ignore"


class Newcomers:
    """Lets them in. wake: called when it has looked at some.

    Each is asked first for what a rollout needs, as all are at the start.
    """

    def __init__(self, keeper: Keeper, hosts: Hosts, late: Late, wake: Callable[[], None]) -> None:
        self._keeper, self._hosts, self._late, self._wake = keeper, hosts, late, wake
        self._now = asyncio.get_running_loop().time
        self._apart: set[str] = set()
        self._rest_until = 0.0
        self._asking: asyncio.Task[dict[HostId, str | None]] | None = None

    async def let_in(self, seen: Sequence[HostId]) -> dict[str, str]:
        """Go on with the hosts that are seen: the order of the keeper's head may be longer then.
        Who takes no part, and why. Raises as `RolloutRecord.write_head`."""
        if self._asking is not None:
            return await self._answered(self._asking) if self._asking.done() else {}
        if not seen or self._now() < self._rest_until:
            return {}  # nearly always: what follows takes as long as there are hosts
        known = self._apart.union(self._keeper.head.order)
        new = [each for each in seen if str(each) not in known]
        if not new:
            return {}
        if self._late is Late.IGNORE:
            return await self._set_apart({str(each): IGNORED for each in new})
        self._rest_until = self._now() + AGAIN_SECONDS
        self._asking = asyncio.create_task(flaws_of(self._hosts, new[:MOST_AT_ONCE]))
        self._asking.add_done_callback(lambda _: self._wake())
        return {}

    async def cancel(self) -> None:
        """End what is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _answered(self, asked: asyncio.Task[dict[HostId, str | None]]) -> dict[str, str]:
        self._asking = None
        flaws = {str(host): flaw for host, flaw in asked.result().items()}
        apart = {host: flaw for host, flaw in flaws.items() if flaw}
        fit = [host for host, flaw in flaws.items() if flaw == ""]
        if fit:
            with suppress(Held):  # a rollout is beginning at this moment, maybe on these hosts
                taken = await self._keeper.let_in(fit)
                apart |= {host: f"it {whose}" for host, whose in taken.items()}
        return await self._set_apart(apart)

    async def _set_apart(self, apart: dict[str, str]) -> dict[str, str]:
        if apart:
            head = self._keeper.head
            await self._keeper.write_head(replace(head, apart=head.apart | apart))
            self._apart.update(apart)
        return apart
