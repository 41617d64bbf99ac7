"""The active set over HTTP: the project's own table, on a simulated agent."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import requests

from tests.support.package_sets import add, look, version

TABLE = Path(__file__).parents[3] / "module" / "routes" / "packager.json"


def events(response: requests.Response) -> list[dict[str, object]]:
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_set_is_changed_and_seen_over_http(
    tmp_path: Path, simulator: Callable[..., object]
) -> None:
    root = tmp_path / "store"
    for number in (1, 2):
        add(root, f"a--{number}", version(number))
    add(root, "c--1", {"bin/a": "c"})
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    agent = simulator(TABLE, f"--environment=PACKAGER_ROOT={root}", f"--environment=PATH={path}")
    url = f"{agent.url}/packager"  # type: ignore[attr-defined]

    answer = requests.get(f"{url}/plan.json?action=activate&words=a--1", timeout=30)
    assert answer.json()["packages"]["activate"] == ["a--1"]
    answer = requests.post(f"{url}/activate?ids=a--1", timeout=30)
    assert answer.status_code == 200
    assert [each.get("event") for each in events(answer)] == [
        *("planned", "switched", "activated"),
        None,  # the exit record
    ]
    request_id = events(answer)[-1]["request_id"]
    active = requests.get(f"{url}/active.json", timeout=30).json()
    assert active["request_id"] == request_id
    assert [each["id"] for each in active["packages"]] == ["a--1"]

    answer = requests.post(f"{url}/activate?ids=c--1&add=true", timeout=30)
    assert answer.status_code == 409
    assert "'bin/a' is in both a--1 and c--1" in answer.json()["stderr"]
    assert requests.post(f"{url}/remove?id=a--1", timeout=30).status_code == 409
    assert requests.post(f"{url}/swap?id=a--2", timeout=30).status_code == 200
    assert look(root)["bin/a"] == "a 2\n"
    assert requests.post(f"{url}/rollback", timeout=30).status_code == 200
    assert look(root)["bin/a"] == "a 1\n"
    assert requests.post(f"{url}/deactivate?ids=a", timeout=30).status_code == 200
    assert requests.post(f"{url}/gc?keep=1", timeout=30).status_code == 200
    told = requests.get(f"{url}/history.json", timeout=30).json()
    assert [each["generation"] for each in told["generations"]] == [told["active"]] == [3]
