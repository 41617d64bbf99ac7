"""What a host's provisioner is asked for, by its routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packager.base.errors import ProtocolError

from rollout.core.outcomes import ToldFence, fence_told
from rollout.core.registry import HostId
from rollout.hosts.client import HostClient, Listener
from rollout.hosts.streams import ExitRecord

FENCE = "/provisioner/fence"
STAGE = "/provisioner/stage"
APPLY = "/provisioner/apply"
ROLLBACK = "/provisioner/rollback"
HISTORY = "/provisioner/history.json"
STATUS = "/provisioner/status.json"


@dataclass(frozen=True)
class Caller:
    """Who asks: the rollout, what it brings, and the fence of the controller that is at it.
    revision: None where hosts are taken back, each to its own."""

    rollout: str
    revision: str | None
    fence: int
    holder: str

    def query(self) -> dict[str, str]:
        """Of requests that change anything."""
        revision = {} if self.revision is None else {"revision": self.revision}
        return {
            **revision,
            "rollout": self.rollout,
            "fence": str(self.fence),
            "holder": self.holder,
        }


class Provisioner:
    """The provisioner of the host that `client` asks."""

    def __init__(self, client: HostClient) -> None:
        self._client = client

    @property
    def host(self) -> HostId:
        """Whose it is."""
        return self._client.host

    async def history(self) -> dict[str, Any]:
        """Its runs, its last request, its fence. Raises as `HostClient.document`."""
        return await self._client.document(HISTORY)

    async def status(self, *, quick: bool) -> dict[str, Any]:
        """Whether the host is as it should be. Raises as `HostClient.document`."""
        return await self._client.document(STATUS, {"quick": "true"} if quick else None)

    async def fence(self, number: int, holder: str) -> ToldFence:
        """Have it refuse whoever has a lower number. Raises as `HostClient.document`."""
        query = {"number": str(number), "holder": holder}
        told = fence_told(await self._client.document(FENCE, query, body=b""))
        if told is None:
            raise ProtocolError(f"{self.host}: its answer to a fence tells none")
        return told

    async def stage(self, caller: Caller, profile: bytes, listener: Listener) -> ExitRecord:
        """Have it fetch and verify what the profile needs. Raises as `HostClient.stream`."""
        return await self._client.stream(STAGE, caller.query(), profile, listener)

    async def apply(
        self, caller: Caller, attempt: int, profile: bytes, listener: Listener
    ) -> ExitRecord:
        """Have it become what the profile says. Raises as `HostClient.stream`."""
        query = {**caller.query(), "attempt": str(attempt)}
        return await self._client.stream(APPLY, query, profile, listener)

    async def rollback(
        self, caller: Caller, attempt: int, run: int, listener: Listener
    ) -> ExitRecord:
        """Have it go back to a run of its own. Raises as `HostClient.stream`."""
        query = {**caller.query(), "attempt": str(attempt), "run": str(run)}
        return await self._client.stream(ROLLBACK, query, b"", listener)
