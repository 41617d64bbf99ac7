"""What tests in containers share: the engine, the image, places that containers may write to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.image_of_tree import engine_and_image

from .agents import USER, Agents


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell the figures of the kills."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for line in dict(report.user_properties).get("kills", []):
                terminalreporter.write_line(line)


def containers_of(target: str) -> Iterator[Any]:
    """What makes containers, if there are an engine and an image of this tree; all end with it."""
    client, _ = engine_and_image(target)
    from agentsim.containers.containers import Containers

    with Containers(client) as made:
        yield made


@pytest.fixture
def made() -> Iterator[Any]:
    """Makes containers of the image `simulator`."""
    yield from containers_of("simulator")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory of this machine that stays when a container has ended."""
    directory = tmp_path / "volume"
    directory.mkdir()
    if os.getuid() == 0:
        os.chown(directory, USER, USER)
    return directory


@pytest.fixture
def agents(made: Any, volume: Path) -> Agents:
    """Starts simulated agents; where the tests are not root's, they run as the tests' user."""
    return Agents(made, volume, None if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}")


@pytest.fixture
def table(volume: Path) -> Any:
    """Writes a route table; its file."""

    def write(process: str, command: list[str], *routes: dict[str, Any], **defaults: Any) -> Path:
        file = volume / f"{process}.json"
        document = {"abi": 1, "process": process, "command": command, "routes": list(routes)}
        file.write_text(json.dumps({**document, "defaults": defaults}))
        return file

    return write


@pytest.fixture
def machine(volume: Path) -> Iterator[Any]:
    """A container in which systemd runs."""
    from .systemd_machine import booted_machines  # which needs what is here

    yield from booted_machines(volume)
