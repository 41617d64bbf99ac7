"""The masters' election in ZooKeeper, as one looks at it from outside."""

from __future__ import annotations

import asyncio

from packager.base.errors import Denied, Unavailable

from rollout.base.zookeeper_client import NO_ANSWER, KazooClient, client, zookeeper
from rollout.master.places import ElectionPlace, MasterPlace, elected

SESSION_SECONDS = 10.0
ANSWER_SECONDS = 10.0


class Election:
    """Reads the election at `place`. scheme: by which the masters are asked. answer_seconds: for
    which ZooKeeper is waited for."""

    def __init__(
        self,
        place: ElectionPlace,
        *,
        scheme: str,
        credentials: tuple[str, str] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._place, self._scheme, self._credentials = place, scheme, credentials
        self._answer_seconds = answer_seconds
        self._client: KazooClient | None = None

    async def masters(self) -> tuple[MasterPlace, ...]:
        """All masters that take part, the leader first. Raises Unavailable, Denied,
        ProtocolError."""
        return await asyncio.to_thread(self._read)

    async def close(self) -> None:
        """End the session."""
        if self._client is not None:
            await asyncio.to_thread(self._client.stop)

    def _read(self) -> tuple[MasterPlace, ...]:
        hosts, path = self._place.hosts, self._place.path
        try:
            asked = self._connected()
            names = asked.get_children_async(path).get(timeout=self._answer_seconds)
            nodes: dict[str, bytes] = {}
            for name in names:
                try:
                    nodes[name], _ = asked.get_async(f"{path}/{name}").get(
                        timeout=self._answer_seconds
                    )
                except zookeeper.NoNodeError:
                    continue  # its master has gone this moment
        except NO_ANSWER:
            raise Unavailable(f"ZooKeeper at {hosts} does not answer") from None
        except zookeeper.NoNodeError:
            raise Unavailable(f"no master has ever been at zk://{hosts}{path}") from None
        except zookeeper.NoAuthError:
            raise Denied(
                f"ZooKeeper at {hosts} forbids reading {path}: give its credentials"
            ) from None
        found = elected(nodes, self._scheme)
        if not found:
            raise Unavailable(f"no master is at zk://{hosts}{path} at the moment")
        return found

    def _connected(self) -> KazooClient:
        if self._client is None:
            made = client(
                self._place.hosts, session_seconds=SESSION_SECONDS, credentials=self._credentials
            )
            try:
                made.start(self._answer_seconds)
            except NO_ANSWER:
                made.close()
                raise
            self._client = made
        return self._client
