"""Starts containers, makes networks and volumes; all leave with this process, or with a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docker.errors import APIError
from docker.types import Healthcheck, LogConfig, Ulimit

from agentsim.containers import owner
from agentsim.containers.cleanup import LABEL, labelled, remove, sweep
from agentsim.containers.container import PORT, DidNotStart, Running

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network

MIB: Final = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a container may use.

    Attributes:
        memory: bytes; swap is none beside it.
        processes: tasks, the host's threads included.
        open_files: descriptors of each process; None: as the engine has it.
        tmpfs: directories in memory (which counts as the container's) with their mount options;
            all else of its own root is read-only.
        mounts: directories of this machine, mounted under the same name.
        copied: directories of the image that are read from a copy in a volume; for storage from
            which programs start slowly.
    """

    memory: int = 512 * MIB
    processes: int = 512
    open_files: int | None = None
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Path] = ()
    copied: Sequence[str] = ()


class Containers:
    """Makes containers, networks and volumes, and removes them all.

    What earlier owners left, who live no more, is removed first.

    Args:
        client: of the engine.
        deadline: seconds that a wait for a container may last.
    """

    def __init__(self, client: DockerClient, deadline: float = 60.0) -> None:
        self.client = client
        self.deadline = deadline
        self.swept = sweep(client)
        self._owner = str(owner.this())
        self._copies: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Containers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        image: str,
        limits: Limits | None = None,
        *,
        entrypoint: Sequence[str] | None = None,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        network: Network | None = None,
        name: str | None = None,
        health_seconds: float | None = 0.5,
        **further: Any,
    ) -> Running:
        """Start a container; without capabilities, its root read-only.

        Args:
            image: its name.
            limits: what it may use.
            entrypoint, command: in place of the image's own.
            environment: of its first process, beside the image's.
            user: in place of the image's own.
            network: in place of the engine's default; the container's name is its name there.
            name: in place of one of the engine's invention.
            health_seconds: between two health checks; None for no checks.
            further: other arguments of the SDK's `containers.run`.

        Raises:
            DidNotStart: the engine could not start it.
        """
        limits = limits or Limits()
        files = limits.open_files
        volumes = {str(each): {"bind": str(each), "mode": "rw"} for each in limits.mounts}
        for place in limits.copied:
            volumes[self._copy(image, place)] = {"bind": place, "mode": "ro"}
        options: dict[str, Any] = {
            "labels": {LABEL: self._owner},
            "mem_limit": limits.memory,
            "memswap_limit": limits.memory,
            "pids_limit": limits.processes,
            "ulimits": [Ulimit(name="nofile", soft=files, hard=files)] if files else None,
            "read_only": True,
            "tmpfs": dict(limits.tmpfs),
            "volumes": volumes,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            # Bounded, and kept where it can be read whatever the engine does with logs otherwise.
            "log_config": LogConfig(type="json-file", config={"max-size": "64m"}),
            "ports": {f"{PORT}/tcp": ("127.0.0.1", None)},
            "entrypoint": list(entrypoint) if entrypoint is not None else None,
            "command": list(command) if command is not None else None,
            "environment": dict(environment or {}),
            "user": user,
            "network": network.name if network is not None else None,
            "name": name,
            "healthcheck": _health(health_seconds),
        }
        try:
            made = self.client.containers.run(image, detach=True, **{**options, **further})
        except APIError as error:
            raise DidNotStart(f"{image} can't be started: {error.explanation or error}") from None
        return Running(self.client, made, self.deadline)

    def network(self, name: str, *, internal: bool = True) -> Network:
        """Make a network; an internal one leads nowhere else."""
        return self.client.networks.create(
            f"{name}-{owner.this().pid}",
            driver="bridge",
            internal=internal,
            labels={LABEL: self._owner},
        )

    def _copy(self, image: str, place: str) -> str:
        """The name of a volume that has what an image has in a directory; made once."""
        known = self._copies.get((image, place))
        if known is None:
            volume = self.client.volumes.create(labels={LABEL: self._owner})
            known = self._copies[image, place] = str(volume.name)
            # The engine fills an empty volume for the first container that has it.
            where = {known: {"bind": place, "mode": "rw"}}
            labels = {LABEL: self._owner}
            self.client.containers.create(image, labels=labels, volumes=where).remove()
        return known

    def close(self) -> None:
        """Remove all that this process has made."""
        for each in labelled(self.client, self._owner):
            remove(each)
        self._copies.clear()


def _health(seconds: float | None) -> Healthcheck | None:
    if seconds is None:
        return Healthcheck(test=["NONE"])
    return Healthcheck(interval=int(seconds * 1e9))
