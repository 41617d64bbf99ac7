"""Where records are: in ZooKeeper where the masters have it, else in the journal's file."""

from __future__ import annotations

from pathlib import Path

from packager.base.errors import NotFound, UsageError

from rollout.base.credentials import read_credentials
from rollout.records.journal import LOCAL, Journal
from rollout.records.sqlite_store import SqliteStore
from rollout.records.store import Store

FOLDER = "rollout"


def place_of(masters: tuple[str, ...]) -> str:
    """The place of the record for masters of a strategy."""
    return masters[0] if masters and masters[0].startswith("zk://") else LOCAL


def open_store(place: str, journal: Path, zk_credentials: str | None) -> Store:
    """The store at a place. Raises UsageError, Unavailable, PackagerError."""
    if place == LOCAL:
        return SqliteStore(journal)
    from rollout.records.zookeeper_store import ZookeeperStore

    hosts, _, path = place.removeprefix("zk://").partition("/")
    if not hosts or not place.startswith("zk://"):
        raise UsageError(f"{place[:200]!r} is not zk://HOST:PORT,…/PATH")
    credentials = None if zk_credentials is None else read_credentials(zk_credentials)
    names = (FOLDER, *(each for each in path.split("/") if each))
    return ZookeeperStore(hosts, names, credentials=credentials)


def candidates(journal: Journal, rollout: str | None, masters: str | None) -> list[tuple[str, str]]:
    """Ids and places of the rollouts that may be meant, the likeliest first; of some there may be
    no record, since they never began. rollout: an id; None: the newest that this machine knows.
    masters: `zk://…` of a cluster, if it is not one that this machine knows. Raises NotFound."""
    known = journal.places()
    if rollout is None:
        if not known:
            raise NotFound(
                "no rollout was begun on this machine; name one, and with --masters=zk://… where "
                "its record is"
            )
        return [(each, known[each] if masters is None else masters) for each in reversed(known)]
    if masters is not None:
        return [(rollout, masters)]
    if rollout not in known:
        raise NotFound(
            f"this machine knows no rollout {rollout}; 'rollout history' lists those that it "
            "knows. If it began elsewhere, say --masters=zk://…, or bring the journal of the "
            "machine along (--journal)"
        )
    return [(rollout, known[rollout])]
