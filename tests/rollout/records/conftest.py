"""The stores that every test of records runs with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rollout.records.sqlite_store import SqliteStore
from rollout.records.store import Store

from tests.support import zookeeper

Open = Callable[[], Store]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zookeeper.Zookeeper]:
    """A ZooKeeper for all tests that harm none."""
    zookeeper.need_zookeeper()
    with zookeeper.zookeeper(tmp_path_factory.mktemp("zookeeper")) as server:
        yield server


@pytest.fixture(params=["sqlite", "zookeeper"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the store of one test, as often as it is called: each time as another controller."""
    opened: list[Store] = []
    if request.param == "zookeeper":
        from rollout.records.zookeeper_store import ZookeeperStore

        address = request.getfixturevalue("server").address
        root = ("tests", uuid.uuid4().hex)

    def open_store() -> Store:
        if request.param == "sqlite":
            opened.append(SqliteStore(tmp_path / "journal" / "rollouts.db"))
        else:
            opened.append(ZookeeperStore(address, root))
        return opened[-1]

    yield open_store
    for each in opened:
        each.close()


@pytest.fixture
def store(open_store: Open) -> Store:
    """One controller's store."""
    return open_store()
