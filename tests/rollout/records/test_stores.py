"""What both stores keep: documents with versions, written all or not at all, and locks."""

from __future__ import annotations

import threading

import pytest
from rollout.records.store import MISSING, Changed, Entry, Held, Store, Write

from tests.rollout.records.conftest import Open

HEAD = ("rollouts", "r1", "head")


def test_nothing_is_there_at_first(store: Store) -> None:
    assert store.read(HEAD) is None
    assert store.names(("rollouts",)) == []


def test_a_document_is_there_for_every_other_controller(open_store: Open) -> None:
    (version,) = open_store().write([Write(HEAD, b"\x00one", MISSING)])
    other = open_store()
    assert other.read(HEAD) == Entry(b"\x00one", version)
    assert other.names(()) == ["rollouts"]
    assert other.names(("rollouts",)) == ["r1"]
    assert other.names(("rollouts", "r1")) == ["head"]


def test_names_are_kept_whatever_they_have(store: Store) -> None:
    names = sorted(["host-1@127.0.0.1:5051", "a b", "é/%2F", "50%", ".", "..", "_", "[::1]"])
    store.write([Write(("hosts", name), b"x", MISSING) for name in names])
    assert store.names(("hosts",)) == names
    assert all(store.read(("hosts", name)) for name in names)


def test_who_has_read_an_old_version_writes_nothing(open_store: Open) -> None:
    one, two = open_store(), open_store()
    (version,) = one.write([Write(HEAD, b"1", MISSING)])
    (newer,) = two.write([Write(HEAD, b"2", version)])
    with pytest.raises(Changed, match="rollouts/r1/head"):
        one.write([Write(HEAD, b"3", version)])
    with pytest.raises(Changed):
        one.write([Write(HEAD, b"4", MISSING)])
    with pytest.raises(Changed):
        one.write([Write(("rollouts", "r2", "head"), b"5", 0)])
    assert two.read(HEAD) == Entry(b"2", newer)


def test_several_are_written_or_none(store: Store) -> None:
    paths = [("rollouts", "r1", "hosts", name) for name in "abc"]
    versions = store.write([Write(path, b"1", MISSING) for path in paths])
    stale = [*versions[:2], versions[2] + 7]
    writes = [Write(p, b"2", v) for p, v in zip(paths, stale, strict=True)]
    with pytest.raises(Changed, match="r1/hosts/c"):
        store.write(writes)
    assert [store.read(path) for path in paths] == [Entry(b"1", v) for v in versions]


def test_of_many_writers_each_step_has_one(open_store: Open) -> None:
    stores = [open_store() for _ in range(4)]
    stores[0].write([Write(HEAD, b"0", MISSING)])

    def count(store: Store) -> None:
        done = 0
        while done < 10:
            seen = store.read(HEAD)
            assert seen is not None
            try:
                store.write([Write(HEAD, str(int(seen.content) + 1).encode(), seen.version)])
            except Changed:
                continue
            done += 1

    threads = [threading.Thread(target=count, args=[each]) for each in stores]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = stores[0].read(HEAD)
    assert found is not None and found.content == b"40"


def test_a_lock_has_one_holder_who_is_named(open_store: Open) -> None:
    one, two = open_store(), open_store()
    lock = one.lock("r1", b"ann on m1")
    with pytest.raises(Held) as held:
        two.lock("r1", b"bob on m2")
    assert held.value.holder == b"ann on m1"
    two.lock("r2", b"bob on m2").release()
    lock.confirm()
    lock.release()
    two.lock("r1", b"bob on m2").confirm()


def test_closing_gives_locks_back(open_store: Open) -> None:
    one, two = open_store(), open_store()
    lock = one.lock("r1", b"ann")
    lock.release()
    one.close()
    two.lock("r1", b"bob").confirm()
