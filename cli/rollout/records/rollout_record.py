"""The record of one rollout in a store: read whole, written by compare-and-set.

Who writes it is the holder of its lock. Should somebody else have written nevertheless, `Changed`
is raised and nothing was written: the caller is not the holder any more, and stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from packager.base.errors import Conflict, NotFound

from rollout.core.progress import HostProgress
from rollout.core.rollout_states import ENDED
from rollout.records.documents import (
    Fence,
    Head,
    Holder,
    HostRecord,
    Wishes,
    decoded_head,
    decoded_holder,
    decoded_host,
    decoded_wishes,
    encoded,
)
from rollout.records.store import MISSING, Changed, Held, Lock, Store, Write

ROLLOUTS = "rollouts"
STARTS = "starts"  # the lock under which rollouts begin
WRITES_AT_ONCE = 500  # hosts


class HostsTaken(Conflict):
    """Hosts belong to another rollout that has not ended."""


class RolloutRecord:
    """One rollout, as it was last read or written."""

    def __init__(self, store: Store, head: Head, version: int) -> None:
        self.head = head
        self.hosts: dict[str, HostRecord] = {}
        self._store = store
        self._version = version
        self._host_versions: dict[str, int] = {}

    @classmethod
    def create(cls, store: Store, head: Head, profile: bytes | None) -> RolloutRecord:
        """Record a rollout that begins. profile: its bytes, if they may be recorded.

        Raises HostsTaken, Held (another one is beginning at this moment), PackagerError.
        """
        lock = store.lock(STARTS, encoded(Holder(head.id, head.machine, 0, head.created)))
        try:
            _refuse_taken(store, head)
            hosts = [HostRecord(HostProgress(each)) for each in head.order]
            record = cls(store, head, MISSING)
            if profile is not None:
                store.write([Write(_path(head.id, "profile"), profile, MISSING)])
            record.write_hosts(hosts)
            record.write_head(head)  # the last: without it, nothing of it counts
        finally:
            lock.release()
        return record

    @classmethod
    def load(cls, store: Store, rollout: str) -> RolloutRecord:
        """Read it. Raises NotFound, PackagerError."""
        record = cls(store, *_head(store, rollout))
        for each in record.head.order:
            entry = store.read(_path(rollout, "hosts", each))
            if entry is not None:
                record.hosts[each] = decoded_host(entry.content)
                record._host_versions[each] = entry.version
        return record

    @classmethod
    def load_head(cls, store: Store, rollout: str) -> Head:
        """What holds of the whole, alone. Raises NotFound, PackagerError."""
        return _head(store, rollout)[0]

    @property
    def profile(self) -> bytes | None:
        """The profile, if it was recorded. Raises PackagerError."""
        found = self._store.read(_path(self.head.id, "profile"))
        return None if found is None else found.content

    def write_head(self, head: Head) -> None:
        """Write what holds of the whole. Raises Changed, Unsure, PackagerError."""
        write = Write(_path(head.id, "head"), encoded(head), self._version)
        (self._version,) = self._store.write([write])
        self.head = head

    def write_hosts(self, hosts: Sequence[HostRecord]) -> None:
        """Write what holds of these hosts. Raises Changed, Unsure, PackagerError."""
        for first in range(0, len(hosts), WRITES_AT_ONCE):
            part = hosts[first : first + WRITES_AT_ONCE]
            names = [each.progress.host for each in part]
            writes = [
                Write(
                    _path(self.head.id, "hosts", name),
                    encoded(each),
                    self._host_versions.get(name, MISSING),
                )
                for name, each in zip(names, part, strict=True)
            ]
            versions = self._store.write(writes)
            self._host_versions.update(zip(names, versions, strict=True))
            self.hosts.update(zip(names, part, strict=True))

    def raise_fence(self, holder: Holder, told: int = 0) -> Fence:
        """Take the next fence for the holder of the lock, above that of the record and all that
        hosts have told. Raises Changed, Unsure, PackagerError."""
        fence = Fence(max(self.head.fence.number, told) + 1, holder.id)
        self.write_head(replace(self.head, fence=fence))
        return fence


def take(store: Store, rollout: str, holder: Holder) -> Lock:
    """The lock of a rollout. Raises Held, whose message names the holder; PackagerError."""
    try:
        return store.lock(rollout, encoded(holder))
    except Held as held:
        words = _named_holder(held.holder)
        raise Held(f"rollout {rollout} is held by {words}", held.holder) from None


def is_there(store: Store, rollout: str) -> bool:
    """Whether the store has it. Raises PackagerError."""
    return store.read(_path(rollout, "head")) is not None


def holder_of(store: Store, rollout: str) -> str:
    """Who holds it, in words; empty: nobody. Raises PackagerError."""
    told = store.holder(rollout)
    return "" if told is None else _named_holder(told)


def heads(store: Store) -> Iterator[Head]:
    """All rollouts of a store. Raises PackagerError."""
    for rollout in store.names((ROLLOUTS,)):
        found = store.read(_path(rollout, "head"))
        if found is not None:
            yield decoded_head(found.content)


def wish(store: Store, rollout: str, *, changed: Wishes) -> None:
    """Ask whoever holds the rollout for what is set in `changed`, beside what was asked before.
    Raises NotFound, PackagerError."""
    _head(store, rollout)
    path = _path(rollout, "wishes")
    while True:
        found = store.read(path)
        before = Wishes() if found is None else decoded_wishes(found.content)
        both = before.joined(changed)
        with suppress(Changed):  # by another operator at the same time
            store.write([Write(path, encoded(both), MISSING if found is None else found.version)])
            return


def fulfil(store: Store, rollout: str) -> Wishes:
    """What operators have asked for by now; but for promotions, it is asked for no longer. Raises
    PackagerError."""
    path = _path(rollout, "wishes")
    while True:
        found = store.read(path)
        if found is None:
            return Wishes()
        wishes = decoded_wishes(found.content)
        left = Wishes(promote=wishes.promote)
        if left == wishes:
            return wishes
        with suppress(Changed):  # something was added this moment
            store.write([Write(path, encoded(left), found.version)])
            return wishes


def _refuse_taken(store: Store, head: Head) -> None:
    wanted = set(head.order)
    for other in heads(store):
        common = sorted(wanted & set(other.order)) if other.state not in ENDED else []
        if common:
            more = f" and {len(common) - 1} more" if len(common) > 1 else ""
            raise HostsTaken(
                f"{common[0]}{more} belongs to rollout {other.id} ({other.name}, {other.state}), "
                "which has not ended: abort it, or wait for its end"
            )


def _named_holder(told: bytes) -> str:
    return str(decoded_holder(told) or "a process that has not said who it is")


def _head(store: Store, rollout: str) -> tuple[Head, int]:
    found = store.read(_path(rollout, "head"))
    if found is None:
        raise NotFound(f"there is no rollout {rollout}; `rollout history` lists them")
    return decoded_head(found.content), found.version


def _path(rollout: str, *names: str) -> tuple[str, ...]:
    return (ROLLOUTS, rollout, *names)
