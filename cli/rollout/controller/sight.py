"""Looks at the master again and again, beside everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from packager.base.errors import PackagerError, Temporary, Unavailable

from rollout.core.observation import Observation, observe
from rollout.core.registry import HostId
from rollout.core.selection import newcomers
from rollout.core.strategy import Strategy
from rollout.master.client import MasterClient

POLL_SECONDS = 5.0
SOON_SECONDS = 0.5  # after a call of the master's, and while it is away


class Sight:
    """What the master says of the hosts in `order`, which may grow. wake: called with each change.

    latest: None while nobody leads who has recovered; begun: by the loop's clock, when the question
    was asked that it is the answer to. newcomers: hosts that the strategy selects beside them.
    trouble: why there is none. failure: what no waiting mends.
    """

    def __init__(
        self,
        master: MasterClient,
        strategy: Strategy,
        order: Sequence[str],
        wake: Callable[[], None],
    ) -> None:
        self._master, self._strategy, self._wake = master, strategy, wake
        self.order = order
        self.newcomers: list[HostId] = []
        self.latest: Observation | None = None
        self.begun = 0.0
        self.trouble = ""
        self.failure: PackagerError | None = None
        self._soon = asyncio.Event()

    def hurry(self) -> None:
        """Look again soon: something was changed."""
        self._soon.set()

    async def keep_looking(self) -> None:
        """Never ends by itself."""
        loop = asyncio.get_running_loop()
        while True:
            self._soon.clear()
            begun = loop.time()
            try:
                sighting = await self._master.sight()
            except (Unavailable, Temporary) as reason:
                self.latest, self.trouble = None, str(reason)
            except PackagerError as reason:
                # A master that has just become another one's may say odd things for a moment; what
                # it says again and again is told.
                self.latest, self.trouble, self.failure = None, str(reason), reason
            else:
                self.latest = observe(sighting.registry, self.order)
                self.newcomers = newcomers(sighting.registry, self._strategy, self.order)
                self.begun, self.trouble, self.failure = begun, "", None
            self._wake()
            await self._wait()

    async def _wait(self) -> None:
        if self.latest is None:
            await asyncio.sleep(SOON_SECONDS)
            return
        try:
            await asyncio.wait_for(self._soon.wait(), POLL_SECONDS)
        except TimeoutError:
            return
        await asyncio.sleep(SOON_SECONDS)
