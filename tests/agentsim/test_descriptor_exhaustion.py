"""A simulated agent that runs out of descriptors, and what it gives back."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path

import requests

from tests.conftest import Simulator

TABLE = {
    "abi": 1,
    "process": "t",
    "command": ["/bin/sh"],
    "defaults": {"response": {"type": "text/plain"}},
    "routes": [
        {
            "path": "/count",
            "method": "POST",
            "argv": ["-c", "exec wc -c"],
            "stdin": "body",
            "concurrency": 1,
        }
    ],
}


def test_without_a_descriptor_for_its_body_a_command_is_refused_and_its_place_given_back(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text(json.dumps(TABLE))
    host = simulator(tmp_path / "t.json")
    with requests.Session() as session:
        url = f"{host.url}/t/count"

        def post() -> requests.Response:
            try:
                return session.post(url, data=b"x", timeout=30)
            except requests.ConnectionError:  # it was idle, and made room for others
                return session.post(url, data=b"x", timeout=30)

        assert post().text.strip() == "1"
        # No other descriptors than it has now, this connection's among them.
        taken = {int(each.name) for each in Path(f"/proc/{host.pid}/fd").iterdir()}
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        soft, hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (free, hard))
        for _ in range(3):
            answer = post()
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (
                *(503, "exhausted"),
            )
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert post().text.strip() == "1"


def test_a_working_directory_of_any_length_is_named(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    for number, name in enumerate(("/" + "é" * 2100, "/" + "d" * 100_000)):
        table = tmp_path / f"{number}.json"
        table.write_text(
            json.dumps({**TABLE, "defaults": {"working_directory": name, "limits": {"core": 0}}})
        )
        host = simulator(table)
        answer = requests.post(f"{host.url}/t/count", data=b"x", timeout=10)
        assert answer.json()["type"].endswith(":start-failed")
        assert name[:400] in answer.json()["detail"]
