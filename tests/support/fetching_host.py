"""A host that fetches packages from repositories on loopback, and the repository of most tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.repositories.index_build import index, opened

from tests.support.packager_command import PACKAGER, environment, packager
from tests.support.repository_site import configuration

SIZE = 400_000
QUICK = ("--retries=0", "--read-timeout=2", "--connect-timeout=2")


class Host:
    """A host with its store and configuration, and the repositories that are served to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "root"
        self.config = path / "config.toml"

    def configure(self, *repositories: Mapping[str, object]) -> None:
        configuration(self.config, *({"trust": "off", **each} for each in repositories))

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
        return packager(self.root, *words, PACKAGER_CONFIG=str(self.config), no_proxy="*")

    def fetch(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self.run("fetch", *QUICK, *words)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started: subprocess.Popen[bytes] = subprocess.Popen(
            [*PACKAGER, "fetch", *words],
            env=environment(self.root, PACKAGER_CONFIG=str(self.config), no_proxy="*"),
            **{**pipes, **more},
        )
        return started

    @property
    def installed(self) -> list[str]:
        return sorted(each.name for each in (self.root / "packages").iterdir())

    @property
    def parts(self) -> list[Path]:
        return sorted((self.root / "downloads").iterdir())


def make_index(directory: Path) -> None:
    with opened(str(directory)) as top:
        index(top, lambda event, /, **fields: None)


def events(said: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.splitlines()]
