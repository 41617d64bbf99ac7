"""A master takes part in an election in ZooKeeper, and learns who leads.

Each candidate has an ephemeral node `json.info_<number>` with its MasterInfo; the one with the
lowest number leads. A master that is killed leaves its node until its session has expired: the
others go on pointing to it for so long.

Source: Mesos `master/contender/zookeeper.cpp`, `zookeeper/group.cpp`; the nodes of a real election.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from agentsim.mesos.actor_message import Pid
from agentsim.mesos.master_info import NODE_PREFIX, ZooKeeper
from agentsim.simulator.master_detection import Detection, zookeeper_client


class Candidacy:
    """One master's part in an election.

    Args:
        loop: the event loop.
        place: the election.
        info: the master's MasterInfo.
        session_seconds: for how long its node outlives it.
        told: told of the leader.

    Raises:
        NoLibrary: as `master_detection.zookeeper_client`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        place: ZooKeeper,
        info: dict[str, Any],
        session_seconds: float,
        told: Callable[[Pid | None], None],
    ) -> None:
        self._loop = loop
        self._place = place
        self._info = info
        self._session_seconds = session_seconds
        self._client = zookeeper_client(place)
        self._detection = Detection(loop, place, told)
        loop.run_in_executor(None, self._stand)

    def _stand(self) -> None:
        """In a thread of its own: the library waits for answers."""
        self._client.start()
        data = json.dumps(self._info, sort_keys=True, separators=(",", ":")).encode()
        node = f"{self._place.path}/{NODE_PREFIX}"
        self._client.ensure_path(self._place.path)
        self._client.create(node, data, ephemeral=True, sequence=True)

    def abandon(self) -> None:
        """The master is dead: nothing is done any more, and its node goes with its session."""
        self._detection.close()
        self._loop.call_later(self._session_seconds, self._expire)

    def _expire(self) -> None:
        self._loop.run_in_executor(None, self._end)

    def _end(self) -> None:
        self._client.stop()
        self._client.close()

    async def close(self) -> None:
        """End at once."""
        self._detection.close()
        await self._loop.run_in_executor(None, self._end)
