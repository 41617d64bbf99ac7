"""A container in which systemd runs as the first process, with the project's commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.host_packages import archive

from .conftest import containers_of

if TYPE_CHECKING:
    from agentsim.containers.container import Running
    from agentsim.containers.containers import Containers

# systemd needs a cgroup hierarchy of its own to write to, whichever version the engine uses.
MOUNT = "umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 cgroup2 /sys/fs/cgroup"
BOOT = "exec /sbin/init systemd.unit=multi-user.target"
UNCONFINED = ["seccomp=unconfined", "apparmor=unconfined"]


class Machine:
    """A container in which systemd runs.

    Args:
        running: the container.
        volume: a directory that it sees under the same name.
    """

    def __init__(self, running: Running, volume: Path) -> None:
        self.running = running
        self.volume = volume

    def run(self, *words: str) -> tuple[int, str]:
        return self.running.execute(*words)

    def said(self, *words: str) -> str:
        return self.run(*words)[1]

    def packager(self, *words: str) -> tuple[int, str]:
        return self.run("packager", "--root=/store", *words)

    def done(self, *words: str) -> str:
        code, said = self.packager(*words)
        assert code == 0, said
        return said

    def add(
        self, package_id: str, files: dict[str, str], info: dict[str, object] | None = None
    ) -> None:
        file = self.volume / f"{package_id}.tar"
        file.write_bytes(archive(files, info))
        self.done("add", str(file))

    def show(self, unit: str, name: str) -> str:
        return self.said("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def active(self, *units: str) -> list[str]:
        return self.said("systemctl", "is-active", *units).split()

    def await_boot(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state = self.said("systemctl", "is-system-running", "--wait").strip()
            if state in ("running", "degraded"):
                return
        raise AssertionError(self.running.report(f"{state} after a minute"))


def booted_machines(volume: Path) -> Iterator[Machine]:
    """One, until the end; the test is skipped where none can be had."""
    from agentsim.containers import images
    from agentsim.containers.containers import Limits

    def start(made: Containers, script: str) -> Running:
        return made.run(
            images.name("systemd"),
            Limits(tmpfs={"/run": "", "/tmp": ""}, mounts=[volume]),
            entrypoint=["sh", "-c", script],
            network_mode="none",
            ports={},
            read_only=False,
            cap_drop=[],
            cap_add=["SYS_ADMIN"],
            security_opt=UNCONFINED,
            health_seconds=None,
        )

    for made in containers_of("systemd"):
        tried = start(made, MOUNT)
        if tried.wait() != 0:
            pytest.skip(f"systemd needs a cgroup2 in its container: {tried.logs().strip()}")
        machine = Machine(start(made, f"{MOUNT} && {BOOT}"), volume)
        machine.await_boot()
        yield machine
