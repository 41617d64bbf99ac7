"""A store in ZooKeeper, which a Mesos cluster has already: for controllers on any machine.

What is written has been agreed on by a majority and is on disks. Locks are ephemeral nodes: they go
with the session of who holds them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock as Mutex
from typing import Any
from urllib.parse import quote, unquote

from packager.base.errors import ConfigError, Denied, InputOutputError, Unavailable

from rollout.base.zookeeper_client import (
    NO_ANSWER,
    KazooException,
    KazooState,
    client,
    zookeeper,
)
from rollout.records.store import (
    MISSING,
    Changed,
    Entry,
    Held,
    Lock,
    Lost,
    Suspended,
    Unsure,
    Write,
)

SESSION_SECONDS = 10.0
MAX_BYTES = 1_000_000  # of a node, or of all that is written at once; a server's limit is 2^20 - 1


class ZookeeperStore:
    """The store below `root` at `hosts` (HOST:PORT,…).

    credentials: user and password of ZooKeeper's scheme digest; what is made is then theirs alone.
    session_seconds: for how long a session lives without a sign of life; the servers have their
    limits, and what they say is `session_seconds`.
    """

    is_shared = True

    def __init__(
        self,
        hosts: str,
        root: tuple[str, ...],
        *,
        credentials: tuple[str, str] | None = None,
        session_seconds: float = SESSION_SECONDS,
        connect_seconds: float = 15.0,
    ) -> None:
        """Connect. Raises Unavailable."""
        self._hosts, self._root = hosts, root
        self._client = client(hosts, session_seconds=session_seconds, credentials=credentials)
        self.session_seconds = session_seconds
        self._mutex = Mutex()
        self._suspended_since: float | None = None
        self._sessions_lost = 0
        self._learn_negotiated_time()
        self._client.add_listener(self._hear)
        try:
            self._client.start(connect_seconds)
        except NO_ANSWER:
            self._client.close()
            raise Unavailable(f"ZooKeeper at {hosts} does not answer") from None

    def read(self, path: tuple[str, ...]) -> Entry | None:
        """See `Store`."""
        with self._translated():
            try:
                content, stat = self._answer(self._client.get_async(self._node(path)))
            except zookeeper.NoNodeError:
                return None
        # Folders are nodes as well: they were made empty, and no document is.
        return Entry(content, stat.version) if content else None

    def names(self, path: tuple[str, ...]) -> list[str]:
        """See `Store`."""
        with self._translated():
            try:
                names = self._answer(self._client.get_children_async(self._node(path)))
            except zookeeper.NoNodeError:
                return []
        return sorted(map(unquote, names))

    def write(self, writes: Sequence[Write]) -> list[int]:
        """See `Store`. Raises InputOutputError for more than MAX_BYTES."""
        if sum(len(each.content) for each in writes) > MAX_BYTES:
            raise InputOutputError(f"ZooKeeper takes at most {MAX_BYTES} bytes at once")
        with self._translated():
            for folder in {each.path[:-1] for each in writes if each.version == MISSING}:
                self._answer(self._client.ensure_path_async(self._node(folder)))
        transaction = self._client.transaction()
        for each in writes:
            assert each.content, "an empty document is none"
            if each.version == MISSING:
                transaction.create(self._node(each.path), each.content)
            else:
                transaction.set_data(self._node(each.path), each.content, version=each.version)
        try:
            with self._translated():
                results = self._answer(transaction.commit_async())
        except Unavailable as error:
            raise Unsure(str(error)) from error
        for each, result in zip(writes, results, strict=True):
            if isinstance(result, zookeeper.NoAuthError):
                raise Denied(f"ZooKeeper: {self._node(each.path)}: not allowed")
        for each, result in zip(writes, results, strict=True):
            if isinstance(result, zookeeper.RolledBackError | zookeeper.RuntimeInconsistency):
                continue  # another one is at fault
            if isinstance(result, Exception):
                raise Changed(f"{'/'.join(each.path)} was written to by somebody else")
        return [0 if each.version == MISSING else each.version + 1 for each in writes]

    def lock(self, name: str, holder: bytes) -> Lock:
        """See `Store`."""
        path = self._node(("locks", name))
        with self._mutex:
            session = self._sessions_lost
        with self._translated():
            try:
                self._answer(self._client.create_async(path, holder, ephemeral=True, makepath=True))
            except zookeeper.NodeExistsError:
                try:
                    told, stat = self._answer(self._client.get_async(path))
                except zookeeper.NoNodeError:  # given back this moment
                    return self.lock(name, holder)
                if stat.ephemeralOwner != self._session_id:
                    raise Held(f"{name} is locked", told) from None
                # It is of this session: the answer to an earlier try was lost.
        return _SessionLock(self, path, session)

    def holder(self, name: str) -> bytes | None:
        """See `Store`."""
        with self._translated():
            try:
                told, _ = self._answer(self._client.get_async(self._node(("locks", name))))
            except zookeeper.NoNodeError:
                return None
        found: bytes = told
        return found

    def close(self) -> None:
        """See `Store`."""
        self._client.stop()
        self._client.close()

    def confirm(self, path: str, session: int) -> None:
        """Ask whether the lock at `path` is held, taken in the session of that number."""
        limit = self.session_seconds * 2 / 3
        with self._mutex:
            since, lost = self._suspended_since, self._sessions_lost
        if lost != session or (since is not None and _now() - since >= limit):
            raise Lost("the session with ZooKeeper is lost, and with it the lock")
        if since is not None:
            raise Suspended("the connection to ZooKeeper is interrupted")
        try:
            stat = self._client.exists_async(path).get(timeout=self.session_seconds / 3)
        except zookeeper.SessionExpiredError:
            raise Lost("the session with ZooKeeper is lost, and with it the lock") from None
        except NO_ANSWER:
            raise Suspended("ZooKeeper does not answer") from None
        if stat is None or stat.ephemeralOwner != self._session_id:
            raise Lost("the lock in ZooKeeper was taken away")

    def delete(self, path: str) -> None:
        """Give a lock back."""
        try:
            self._answer(self._client.delete_async(path))
        except (KazooException, *NO_ANSWER):
            return  # it goes with the session

    def _answer(self, result: Any) -> Any:
        """What a request gives. It is not waited for without end: while no server is there, kazoo
        does not know either whether the session lives. What was given up may still be carried out,
        but before whatever is asked for later."""
        return result.get(timeout=self.session_seconds)

    @property
    def _session_id(self) -> int | None:
        number = self._client.client_id
        return number[0] if number else None

    def _node(self, path: tuple[str, ...]) -> str:
        return "/" + "/".join(_quoted(name) for name in (*self._root, *path))

    def _hear(self, state: str) -> None:
        """Called in kazoo's thread with each change of the connection."""
        with self._mutex:
            if state == KazooState.SUSPENDED:
                self._suspended_since = self._suspended_since or _now()
                return
            since, self._suspended_since = self._suspended_since, None
            late = since is not None and _now() - since >= self.session_seconds * 2 / 3
            if state == KazooState.LOST or late:
                self._sessions_lost += 1

    def _learn_negotiated_time(self) -> None:
        """Have kazoo tell how long the servers let a session live: it keeps that to itself."""
        connection: Any = self._client._connection
        connect = connection._connect

        def connected(*words: Any) -> Any:
            read_timeout, connect_timeout = connect(*words)
            self.session_seconds = read_timeout * 3 / 2 / 1000
            return read_timeout, connect_timeout

        connection._connect = connected

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except NO_ANSWER as error:
            raise Unavailable(f"ZooKeeper at {self._hosts} does not answer") from error
        except (zookeeper.NoAuthError, zookeeper.AuthFailedError) as error:
            raise Denied(f"ZooKeeper at {self._hosts} forbids it: give its credentials") from error
        except KazooException as error:
            raise ConfigError(f"ZooKeeper at {self._hosts}: {type(error).__name__}") from error


class _SessionLock:
    def __init__(self, store: ZookeeperStore, path: str, session: int) -> None:
        self._store, self._path, self._session = store, path, session

    def confirm(self) -> None:
        self._store.confirm(self._path, self._session)

    def release(self) -> None:
        self._store.delete(self._path)


def _quoted(name: str) -> str:
    quoted = quote(name, safe="@:_-")
    return quoted.replace(".", "%2E") if name in (".", "..") else quoted


def _now() -> float:
    """Seconds that go on while the machine sleeps, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
