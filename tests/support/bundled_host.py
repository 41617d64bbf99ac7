"""A host whose packager comes from a bundle in its own store."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.bundles import PATH, run, unpacked
from tests.support.packager_command import BARE
from tests.support.recording_host import Tools


class BundledHost:
    """The host below `top`: its store, its places, and stand-ins for the system's programs."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.root = top / "store"
        self.tools = Tools(top / "tools")
        self.units = top / "system"
        (top / "etc").mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """What a command gets of it."""
        return {
            **BARE,
            "PATH": f"{self.tools.directory}:{PATH}",
            "PACKAGER_ROOT": str(self.root),
            "PACKAGER_UNITS_DIR": str(self.units),
            "PACKAGER_STATE_DIR": str(self.top / "lib"),
            "PACKAGER_CONFIG_DIR": str(self.top / "etc"),
            "PACKAGER_CONFIG": str(self.top / "etc/config.toml"),
        }

    @property
    def simulator_options(self) -> list[str]:
        """The same for the commands of a simulated agent."""
        return [f"--environment={name}={value}" for name, value in self.environment.items()]

    def unpack(self, archive: Path, umask: int = 0o022) -> Path:
        """Where a bundle is unpacked."""
        return unpacked(archive, self.top / "unpacked", umask)

    def install(self, source: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
        """The one command."""
        return run([source / "install", "--settle=0.001", *words], self.environment)

    def installed(self, archive: Path) -> None:
        """Install a bundle, successfully."""
        done = self.install(self.unpack(archive))
        assert done.returncode == 0, done.stderr.decode()

    def program(self, name: str, package_id: str | None = None) -> Path:
        """A program of the active set, or of this package."""
        place = "active" if package_id is None else f"packages/{package_id}"
        return self.root / place / "bin" / name

    def run(
        self, program: str, *words: str | Path, stdin: bytes = b"", of: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program of the active set, or of the package `of`, to its end."""
        return run([self.program(program, of), *words], self.environment, stdin=stdin)

    def ok(
        self, program: str, *words: str | Path, stdin: bytes = b"", of: str | None = None
    ) -> str:
        """The same, which succeeds; what it says."""
        done = self.run(program, *words, stdin=stdin, of=of)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, program: str, *words: str | Path, stdin: bytes = b"") -> dict[str, Any]:
        """The document of a command, which succeeds."""
        said: dict[str, Any] = json.loads(self.ok(program, *words, "--format=json", stdin=stdin))
        return said

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start packager; all its standard descriptors are pipes."""
        return subprocess.Popen(
            [self.program("packager"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )

    @property
    def version(self) -> str:
        """Of the active packager, as it says itself."""
        return self.ok("packager", "--version").split()[-1]

    @property
    def active(self) -> list[str]:
        """The ids of the active set."""
        return [each["id"] for each in self.json("packager", "active")["packages"]]


def uses(pid: int, place: Path) -> bool:
    """Whether the process has something open below this path."""
    opened = [os.path.realpath(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return any(each.startswith(f"{place}/") for each in opened)
