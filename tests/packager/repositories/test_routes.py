"""Searching and fetching over HTTP, through the route table that is shipped."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from packager.repositories.index_build import index, opened

from tests.conftest import Simulator
from tests.support.packager_command import BARE
from tests.support.repository_site import configuration, put, site

ROUTES = Path(__file__).parents[3] / "module" / "routes" / "packager.json"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    put(tmp_path / "repo", "hello--1.0", description="Greets.")
    put(tmp_path / "repo", "hello--1.1")
    put(tmp_path / "repo", "web--2.0", requires=["hello"])
    with opened(str(tmp_path / "repo")) as top:
        index(top, lambda event, /, **fields: None)
    return tmp_path / "repo"


def test_search_and_fetch(
    simulator: Callable[..., Simulator], repository: Path, tmp_path: Path
) -> None:
    with site(repository) as served:
        settings = configuration(
            tmp_path / "c.toml", {"name": "main", "url": served.url, "trust": "off"}
        )
        host = simulator(
            ROUTES,
            f"--environment=PATH={Path(sys.executable).parent}:{BARE['PATH']}",
            f"--environment=PACKAGER_ROOT={tmp_path / 'root'}",
            f"--environment=PACKAGER_CONFIG={settings}",
        )

        def ask(path: str, method: str = "GET") -> bytes:
            request = urllib.request.Request(f"{host.url}/packager/{path}", method=method)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return bytes(answer.read())

        found = json.loads(ask("search.json?words=greets"))
        assert [each["id"] for each in found["packages"]] == ["hello--1.0"]
        told = ask("fetch?ids=web--2.0,hello%3C1.1&requires=false", "POST").splitlines()
        events = [json.loads(line) for line in told]
        assert events[0]["event"] == "index"
        assert sorted(e["id"] for e in events if e.get("event") == "added") == [
            *("hello--1.0", "web--2.0"),
        ]
        assert (events[-1]["record"], events[-1]["exit_code"]) == ("exit", 0)
        told = ask("fetch?ids=web&requires=true", "POST").splitlines()
        assert sorted(e["id"] for e in map(json.loads, told) if e.get("event") == "added") == [
            *("hello--1.1", "web--2.0"),
        ]
        listed = json.loads(ask("list.json"))["packages"]
        assert [each["id"] for each in listed] == ["hello--1.0", "hello--1.1", "web--2.0"]


def test_no_password_comes_into_the_list_of_processes(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    """The command's arguments can be read by every process: user info never gets there."""
    host = simulator(ROUTES, f"--environment=PACKAGER_ROOT={tmp_path / 'root'}")
    for user in ("me:s3cret@", "me@", "@"):
        url = quote(f"http://{user}127.0.0.1:1/hello--1.0.tar", safe="")
        request = urllib.request.Request(f"{host.url}/packager/add?url={url}", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        with refused.value as answer:
            assert answer.code == 400
            assert b"s3cret" not in answer.read()
    assert not (tmp_path / "root").exists()
