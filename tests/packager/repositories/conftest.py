"""A host without packages, a repository with three, and downloads that no setting leads astray."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.downloads import Download
from tests.support.fetching_host import SIZE, Host, make_index
from tests.support.repository_site import Site, put, site
from tests.support.signed_repository import World


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Site]:
    """A repository with three packages, one of them large."""
    put(tmp_path / "main", "hello--1.0", description="Greets. \x1b[31m")
    put(tmp_path / "main", "hello--1.10")
    put(tmp_path / "main", "hello--1.9")
    put(tmp_path / "main", "web--2.0", requires=[{"name": "hello", "version": "<1.10"}, "big"])
    put(tmp_path / "main", "big--1", SIZE)
    make_index(tmp_path / "main")
    with site(tmp_path / "main") as served:
        yield served


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Download:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    return Download(tmp_path / "download")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A repository with one package, signed by the key that its host trusts."""
    monkeypatch.setenv("NO_PROXY", "*")
    put(tmp_path / "repo", "hello--1.0")
    with site(tmp_path / "repo") as served:
        made = World(tmp_path, served)
        made.sign("own")
        yield made
