"""Running the real `provisioner` and `packager` on a host of a test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import fork_server
from tests.support.packager_command import environment
from tests.support.recording_host import Tools

PROVISIONER = [sys.executable, "-m", "provisioner"]


class Machine:
    """A host below `top`: its store, its places, and the tools that programs find on it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.root = top / "store"
        self.units = top / "system"
        self.state = top / "lib"
        self.config = top / "etc"
        self.tools = Tools(top / "tools")
        self.units.mkdir()
        (self.config / "roles").mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        return environment(
            self.root,
            PATH=self.tools.path(),
            PACKAGER_UNITS_DIR=str(self.units),
            PACKAGER_STATE_DIR=str(self.state),
            PACKAGER_CONFIG_DIR=str(self.config),
            PACKAGER_CONFIG=str(self.config / "config.toml"),
        )

    def run(
        self,
        *words: str | Path,
        stdin: bytes = b"",
        program: str | list[str] = "provisioner",
        tracer: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, everything captured; a name, and the tracer, are those of
        `fork_server`."""
        if isinstance(program, str):
            command = [program, *words]
            return fork_server.run(command, self.environment, stdin=stdin, tracer=tracer)
        return subprocess.run(
            [*program, *map(str, words)],
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=120,
            check=False,
        )

    def json(self, *words: str | Path, stdin: bytes = b"", code: int = 0) -> dict[str, Any]:
        """The document that a command with --format=json ends with."""
        done = self.run(words[0], "--format=json", *words[1:], stdin=stdin)
        assert done.returncode == code, done.stderr.decode()
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def packager(self, *words: str | Path, stdin: bytes = b"") -> bytes:
        """Run packager, which succeeds; what it says."""
        done = self.run(*words, stdin=stdin, program="packager")
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def profile(**more: object) -> bytes:
    """A profile as JSON."""
    return encode({"profile": 1, "name": "web", **more})


def encode(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()
