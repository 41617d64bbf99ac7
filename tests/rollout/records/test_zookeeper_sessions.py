"""What a controller may believe of its lock when ZooKeeper, or the controller, stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
from packager.base.errors import Denied, Unavailable
from rollout.records.store import MISSING, Held, Lock, Lost, Suspended, Write
from rollout.records.zookeeper_store import ZookeeperStore

from tests.support import zookeeper

ROOT = ("tests", "sessions")
HOLD = """
import sys
from rollout.records.store import Lost, Suspended
from rollout.records.zookeeper_store import ZookeeperStore
lock = ZookeeperStore(sys.argv[1], ("tests", "sessions"), session_seconds=2).lock("r1", b"first")
print("held", flush=True)
for line in sys.stdin:
    try:
        lock.confirm()
        print("confirmed", flush=True)
    except (Lost, Suspended) as reason:
        print(type(reason).__name__, flush=True)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[zookeeper.Zookeeper]:
    """A server that the test may harm."""
    zookeeper.need_zookeeper()
    with zookeeper.zookeeper(tmp_path) as server:
        yield server


def until(condition: type[Exception], lock: Lock) -> None:
    """Confirm the lock until that is refused for this reason."""
    limit = monotonic() + 30
    while monotonic() < limit:
        try:
            lock.confirm()
        except condition:
            return
        except Suspended:
            pass
        sleep(0.02)
    raise AssertionError(f"never {condition.__name__}")


def test_the_servers_say_how_long_a_session_lives(server: zookeeper.Zookeeper) -> None:
    store = ZookeeperStore(server.address, ROOT, session_seconds=60)
    assert store.session_seconds == pytest.approx(4)  # twenty ticks of theirs
    store.close()


def test_a_lock_is_suspended_then_lost_for_good_while_no_server_is_there(
    own: zookeeper.Zookeeper,
) -> None:
    store = ZookeeperStore(own.address, ROOT, session_seconds=2)
    lock = store.lock("r1", b"first")
    store.write([Write(("head",), b"1", MISSING)])
    own.end()
    until(Suspended, lock)
    with pytest.raises(Unavailable):
        store.write([Write(("head",), b"2", 0)])
    until(Lost, lock)
    own.begin()
    with suppress(Unavailable):
        store.read(("head",))
    with pytest.raises(Lost):
        lock.confirm()
    store.close()


def test_a_short_interruption_costs_nothing(own: zookeeper.Zookeeper) -> None:
    store = ZookeeperStore(own.address, ROOT, session_seconds=4)
    lock = store.lock("r1", b"first")
    os.kill(own.process.pid, signal.SIGSTOP)
    os.kill(own.process.pid, signal.SIGCONT)
    lock.confirm()
    store.close()


def test_a_controller_that_was_stopped_finds_its_lock_anothers(
    server: zookeeper.Zookeeper,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, server.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin is not None and first.stdout is not None
        assert first.stdout.readline() == "held\n"
        print("?", file=first.stdin, flush=True)
        assert first.stdout.readline() == "confirmed\n"
        first.send_signal(signal.SIGSTOP)
        store = ZookeeperStore(server.address, ROOT)
        limit = monotonic() + 30
        lock, holders = None, []
        while lock is None and monotonic() < limit:
            try:
                lock = store.lock("r1", b"second")
            except Held as held:
                holders.append(held.holder)
                sleep(0.05)
        assert lock is not None and set(holders) == {b"first"}
        first.send_signal(signal.SIGCONT)
        told = []
        while "Lost\n" not in told:
            print("?", file=first.stdin, flush=True)
            told.append(first.stdout.readline())
            sleep(0.02)
        assert "confirmed\n" not in told
        lock.confirm()
        lock.release()
        store.close()
        first.kill()


def test_what_is_made_with_credentials_is_theirs_alone(server: zookeeper.Zookeeper) -> None:
    root = ("tests", "private")
    owner = ZookeeperStore(server.address, root, credentials=("ops", "secret"))
    owner.write([Write(("head",), b"1", MISSING)])
    stranger = ZookeeperStore(server.address, root)
    with pytest.raises(Denied, match="credentials"):
        stranger.read(("head",))
    with pytest.raises(Denied):
        stranger.write([Write(("head",), b"2", 0)])
    owner.close()
    stranger.close()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        ZookeeperStore(f"127.0.0.1:{zookeeper.free_port()}", ROOT, connect_seconds=0.5)
    assert not list(tmp_path.iterdir())
