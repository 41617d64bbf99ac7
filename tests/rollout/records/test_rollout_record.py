"""The record of a rollout, in both stores: what is read is what was written, by whom it may be."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from packager.base.errors import NotFound
from rollout.core.host_states import HostEvent, HostState
from rollout.core.progress import HostProgress
from rollout.core.rollout_states import PauseReason, RolloutState
from rollout.records.documents import Head, Holder, HostRecord, Wishes
from rollout.records.rollout_record import (
    HostsTaken,
    RolloutRecord,
    fulfil,
    heads,
    holder_of,
    take,
    wish,
)
from rollout.records.store import Changed, Held, Store

from tests.rollout.records.conftest import Open

ANN = Holder("ann-1", "m1", 17, "2026-11-29T01:00:00Z")
BOB = Holder("bob-1", "m2", 18, "2026-11-29T02:00:00Z")


def head(rollout: str = "r1", *hosts: str) -> Head:
    order = hosts or ("a@127.0.0.1:1", "b@127.0.0.2:1")
    return Head(rollout, "web", "rev-1", "2026-11-29", "m1", {"rollout": 1}, order)


def test_what_was_written_is_read_on_another_machine(open_store: Open) -> None:
    record = RolloutRecord.create(open_store(), head(), b"profile: 1\n")
    told = HostProgress("a@127.0.0.1:1").told(HostEvent.STAGE).told(HostEvent.STAGED)
    record.write_hosts([HostRecord(replace(told, taken=True), 3, "agent-1", 2.5)])
    paused = replace(
        record.head, state=RolloutState.PAUSED, pause=PauseReason.GATE, words="why", elapsed=1.5
    )
    record.write_head(paused)
    other = RolloutRecord.load(open_store(), "r1")
    assert other.head == paused
    assert other.hosts == record.hosts
    assert other.hosts["b@127.0.0.2:1"].progress.state is HostState.WAITING
    assert other.profile == b"profile: 1\n"
    assert [each.id for each in heads(open_store())] == ["r1"]


def test_nobody_writes_over_what_another_holder_wrote(open_store: Open) -> None:
    old = RolloutRecord.create(open_store(), head(), None)
    new = RolloutRecord.load(open_store(), "r1")
    fence = new.raise_fence(BOB, told=7)
    assert (fence.number, fence.holder) == (8, "bob-1")
    with pytest.raises(Changed):
        old.raise_fence(ANN)
    new.write_hosts([HostRecord(HostProgress("a@127.0.0.1:1", attempt=1))])
    with pytest.raises(Changed):
        old.write_hosts([HostRecord(HostProgress("a@127.0.0.1:1", attempt=1))])
    assert RolloutRecord.load(open_store(), "r1").raise_fence(ANN).number == 9


def test_of_two_that_take_a_fence_at_once_one_has_it(open_store: Open) -> None:
    RolloutRecord.create(open_store(), head(), None)
    records = [RolloutRecord.load(open_store(), "r1") for _ in range(4)]
    taken: list[int] = []

    def raise_fence(record: RolloutRecord) -> None:
        try:
            taken.append(record.raise_fence(ANN).number)
        except Changed:
            return

    threads = [threading.Thread(target=raise_fence, args=[each]) for each in records]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert taken == [1]


def test_a_host_that_another_unfinished_rollout_holds_is_refused_named(store: Store) -> None:
    first = RolloutRecord.create(store, head(), None)
    with pytest.raises(HostsTaken, match=r"b@127\.0\.0\.2:1 belongs to rollout r1"):
        RolloutRecord.create(store, head("r2", "b@127.0.0.2:1", "c@127.0.0.3:1"), None)
    with pytest.raises(NotFound):
        RolloutRecord.load(store, "r2")
    first.write_head(replace(first.head, state=RolloutState.ABORTED))
    RolloutRecord.create(store, head("r2", "b@127.0.0.2:1", "c@127.0.0.3:1"), None)


def test_hosts_that_come_late_are_at_the_end_unless_another_rollout_has_them(
    open_store: Open,
) -> None:
    RolloutRecord.create(open_store(), head("r2", "c@127.0.0.3:1"), None)
    kept = replace(head(), batches=(1, 2), apart={"d": "it was not there", "f": "nor this"})
    record = RolloutRecord.create(open_store(), kept, None)
    late = ["c@127.0.0.3:1", "d@127.0.0.4:1"]
    taken = record.let_in(late)
    assert list(taken) == late[:1] and "belongs to rollout r2" in taken[late[0]]
    other = RolloutRecord.load(open_store(), "r1")
    assert (
        other.head
        == record.head
        == replace(kept, order=(*kept.order, late[1]), batches=(1, 3), apart={"f": "nor this"})
    )
    assert other.hosts == record.hosts and len(other.hosts) == 3
    other.write_hosts([HostRecord(HostProgress(late[1], attempt=1))])
    with pytest.raises(Changed):  # and nothing of it is there then
        RolloutRecord(open_store(), kept, 0).let_in(["e@127.0.0.5:1"])
    record = RolloutRecord.load(open_store(), "r1")
    assert record.let_in(["e@127.0.0.5:1"]) == {}


def test_a_rollout_of_one_batch_has_another_one_for_those_that_come_late() -> None:
    assert replace(head("r1", "a@127.0.0.1:1"), batches=(1,)).joined(["b@127.0.0.2:1"]).batches == (
        1,
        2,
    )


def test_the_holder_is_named_to_who_wants_it(open_store: Open) -> None:
    lock = take(open_store(), "r1", ANN)
    with pytest.raises(Held, match="r1 is held by process 17 on m1, since 2026-11-29T01"):
        take(open_store(), "r1", BOB)
    lock.release()


def test_wishes_of_operators_add_up(open_store: Open) -> None:
    one, two = open_store(), open_store()
    RolloutRecord.create(one, head(), None)
    assert fulfil(one, "r1") == Wishes()
    wish(two, "r1", changed=Wishes(pause=True))
    wish(one, "r1", changed=Wishes(promote=2, retry_failed=True))
    wish(two, "r1", changed=Wishes(promote=1))
    assert fulfil(one, "r1") == Wishes(pause=True, promote=2, retry_failed=True)
    assert fulfil(two, "r1") == Wishes(promote=2)  # who is promoted stays so


def test_of_a_pause_and_its_end_the_later_one_holds(store: Store) -> None:
    RolloutRecord.create(store, head(), None)
    wish(store, "r1", changed=Wishes(pause=True))
    wish(store, "r1", changed=Wishes(resume=True))
    assert fulfil(store, "r1") == Wishes(resume=True)
    wish(store, "r1", changed=Wishes(resume=True))
    wish(store, "r1", changed=Wishes(pause=True))
    assert fulfil(store, "r1") == Wishes(pause=True)


def test_who_only_looks_for_the_holder_takes_nothing(open_store: Open) -> None:
    one, two = open_store(), open_store()
    RolloutRecord.create(one, head(), None)
    assert holder_of(two, "r1") == ""
    lock = take(one, "r1", ANN)
    assert holder_of(two, "r1").startswith("process 17 on m1")
    lock.confirm()
    lock.release()
    assert holder_of(two, "r1") == ""
    take(two, "r1", BOB).release()


def test_a_wish_for_a_rollout_that_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="there is no rollout r9"):
        wish(store, "r9", changed=Wishes(abort=True))


def test_a_record_of_many_hosts(store: Store) -> None:
    names = [f"host-{number}@127.1.{number // 250}.{number % 250}:5051" for number in range(1200)]
    RolloutRecord.create(store, head("r1", *names), None)
    assert list(RolloutRecord.load(store, "r1").hosts) == names
