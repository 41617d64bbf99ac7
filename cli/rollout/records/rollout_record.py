"""The record of one rollout in a store: read whole, written by compare-and-set.

Who writes it is the holder of its lock. Should somebody else have written nevertheless, `Changed`
is raised and nothing was written: the caller is not the holder any more, and stops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
            self._keep(part, self._store.write(self._writes(part)))

    def _writes(self, hosts: Sequence[HostRecord]) -> list[Write]:
        names = [each.progress.host for each in hosts]
        return [
            Write(
                _path(self.head.id, "hosts", name),
                encoded(each),
                self._host_versions.get(name, MISSING),
            )
            for name, each in zip(names, hosts, strict=True)
        ]

    def _keep(self, hosts: Sequence[HostRecord], versions: Sequence[int]) -> None:
        """They are written."""
        names = [each.progress.host for each in hosts]
        self._host_versions.update(zip(names, versions, strict=True))
        self.hosts.update(zip(names, hosts, strict=True))

    def let_in(self, hosts: Sequence[str]) -> dict[str, str]:
        """Have hosts that have come late take part, at the end of the order; give those that belong
        to another rollout that has not ended, and to which.

        Raises Held (a rollout is beginning at this moment), Changed, Unsure, PackagerError.
        """
        head = self.head
        lock = self._store.lock(STARTS, encoded(Holder(head.id, head.machine, 0, head.created)))
        try:
            taken = _taken(self._store, head.id, hosts)
            joining = [HostRecord(HostProgress(each)) for each in hosts if each not in taken]
            if joining:
                self._join(joining)
        finally:
            lock.release()
        return taken

    def _join(self, joining: Sequence[HostRecord]) -> None:
        """At once with the head: else a later controller would find them there already."""
        after = self.head.joined([each.progress.host for each in joining])
        head = Write(_path(self.head.id, "head"), encoded(after), self._version)
        *versions, self._version = self._store.write([*self._writes(joining), head])
        self._keep(joining, versions)
        self.head = after

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
    taken = _taken(store, head.id, head.order)
    if taken:
        whose = taken[min(taken)]
        first, *more = sorted(host for host, each in taken.items() if each == whose)
        shown = f"{first} and {len(more)} more" if more else first
        raise HostsTaken(f"{shown} {whose}: abort it, or wait for its end")


def _taken(store: Store, rollout: str, hosts: Iterable[str]) -> dict[str, str]:
    """Those of the hosts that belong to other rollouts, and to which, in words."""
    wanted, found = set(hosts), dict[str, str]()
    for other in heads(store):
        if other.state not in ENDED and other.id != rollout:
            whose = f"rollout {other.id} ({other.name}, {other.state})"
            common = wanted.intersection(other.order)
            found |= dict.fromkeys(common, f"belongs to {whose}, which has not ended")
    return found


def _named_holder(told: bytes) -> str:
    return str(decoded_holder(told) or "a process that has not said who it is")


def _head(store: Store, rollout: str) -> tuple[Head, int]:
    found = store.read(_path(rollout, "head"))
    if found is None:
        raise NotFound(f"there is no rollout {rollout}; `rollout history` lists them")
    return decoded_head(found.content), found.version


def _path(rollout: str, *names: str) -> tuple[str, ...]:
    return (ROLLOUTS, rollout, *names)
