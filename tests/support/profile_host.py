"""Hosts with profiles on them, and what is to be seen there."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.generations.document import active_generation, active_number
from packager.store.store import Store

from tests.support.host_packages import archive
from tests.support.provisioner_machine import Machine

UNIT = "[Service]\nExecStart=/bin/true\n"
QUICKLY: dict[str, object] = {"retries": 0, "interval": 0, "timeout": 20}


class Host(Machine):
    """A machine without repositories, unless a test configures some."""

    def __init__(self, top: Path) -> None:
        super().__init__(top)
        (self.config / "config.toml").write_text("")

    def add(
        self,
        package_id: str,
        files: Mapping[str, str],
        info: Mapping[str, object] | None = None,
    ) -> None:
        """Put a package of these files into the store."""
        Store(str(self.root)).add(io.BytesIO(archive(files, info)), package_id=package_id)

    def apply(
        self, document: Mapping[str, object], *words: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Apply a profile from standard input."""
        return self.run("apply", "--settle=0.001", *words, "-", stdin=json.dumps(document).encode())

    def applied(self, document: Mapping[str, object], *words: str) -> dict[str, Any]:
        """Apply a profile, which succeeds; the result."""
        done = self.apply(document, "--format=json", *words)
        assert done.returncode == 0, done.stderr.decode()
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def events(self, document: Mapping[str, object], *words: str) -> list[dict[str, Any]]:
        """Apply a profile; the events."""
        return [
            json.loads(line)
            for line in self.apply(document, "--format=ndjson", *words).stdout.splitlines()
        ]

    @property
    def active(self) -> list[str]:
        """The active packages."""
        found = active_generation(str(self.root))
        return [] if found is None else list(found.packages)

    @property
    def generation(self) -> int | None:
        return active_number(str(self.root))

    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json("history")["runs"]
        return found

    def read(self, path: str) -> str:
        """A file of the active set."""
        return (self.root / "active" / path).read_text()


def profile(**more: Any) -> dict[str, Any]:
    """A profile that looks at its conditions once."""
    found: dict[str, Any] = {"profile": 1, "name": "web", **more}
    found["health"] = {**QUICKLY, **more.get("health", {})}
    return found


def configuration(*files: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"files": list(files), **more}


def template(path: str, text: str, **more: object) -> dict[str, object]:
    return {"path": path, "template": text, **more}
