"""The record and its lock, for a loop that must not wait for disks and networks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from rollout.records.documents import Fence, Head, Holder, HostRecord, Wishes
from rollout.records.rollout_record import RolloutRecord, fulfil
from rollout.records.store import Lock, Store

Result = TypeVar("Result")


class Keeper:
    """Writes the record `record` of a store, whose lock is held; one thing at a time."""

    def __init__(self, store: Store, record: RolloutRecord, lock: Lock) -> None:
        self._store, self._record, self._lock = store, record, lock
        self._turn = asyncio.Lock()

    @property
    def head(self) -> Head:
        """As it was last read or written."""
        return self._record.head

    @property
    def hosts(self) -> dict[str, HostRecord]:
        """The same of the hosts."""
        return self._record.hosts

    async def confirm(self) -> None:
        """Ask whether the lock is held still. Raises Suspended, Lost."""
        await self._do(self._lock.confirm)

    async def write_hosts(self, hosts: Sequence[HostRecord]) -> None:
        """Raises as `RolloutRecord.write_hosts`."""
        if hosts:
            await self._do(lambda: self._record.write_hosts(hosts))

    async def write_head(self, head: Head) -> None:
        """Raises as `RolloutRecord.write_head`."""
        await self._do(lambda: self._record.write_head(head))

    async def let_in(self, hosts: Sequence[str]) -> dict[str, str]:
        """Raises as `RolloutRecord.let_in`."""
        return await self._do(lambda: self._record.let_in(hosts))

    async def raise_fence(self, holder: Holder, told: int = 0) -> Fence:
        """Raises as `RolloutRecord.raise_fence`."""
        return await self._do(lambda: self._record.raise_fence(holder, told))

    async def wishes(self) -> Wishes:
        """What operators ask for; they ask for it no longer. Raises PackagerError."""
        return await self._do(lambda: fulfil(self._store, self.head.id))

    async def reload(self) -> None:
        """Read all of it anew: whether the last write was done is not known. Raises
        PackagerError."""
        self._record = await self._do(lambda: RolloutRecord.load(self._store, self.head.id))

    async def _do(self, work: Callable[[], Result]) -> Result:
        async with self._turn:
            return await asyncio.to_thread(work)
