"""What the tests of the host's side are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recording_host import Host, Tools


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store that is not there yet."""
    return tmp_path / "store"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """The recording tools; not in the PATH yet."""
    return Tools(tmp_path / "tools")


@pytest.fixture
def tools_on_path(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this process calls by a name is a recording tool."""
    monkeypatch.setenv("PATH", tools.path())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that nothing was done to."""
    return Host(tmp_path)
