"""A simulated agent that runs out of descriptors, and what it gives back."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import requests
from agentsim.suite.hosts.processes import wait_until

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
        },
        # Outlives the second after which asyncio tries again to take clients.
        {"path": "/deaf", "method": "GET", "argv": ["-c", "trap '' TERM; sleep 2; echo deaf"]},
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


def test_an_end_while_clients_can_not_be_taken_is_a_quiet_one(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text(json.dumps(TABLE))
    host = simulator(tmp_path / "t.json")
    address = ("127.0.0.1", int(host.url.rpartition(":")[2]))
    with socket.create_connection(address) as busy:
        busy.sendall(b"GET /t/deaf HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(psutil.Process(host.pid).children, 10, "its command")
        taken = {int(each.name) for each in Path(f"/proc/{host.pid}/fd").iterdir()}
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        _, hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (free, hard))
        with socket.create_connection(address):
            wait_until(lambda: "out of system resource" in host.log.read_text(), 10, "the refusal")
            os.kill(host.pid, signal.SIGTERM)
            busy.settimeout(30)
            assert b" 503 " in b"".join(iter(lambda: busy.recv(4096), b""))
        wait_until(lambda: process_has_ended(host.pid), 30, "its end")
    assert "Traceback" not in host.log.read_text()


def process_has_ended(pid: int) -> bool:
    """Whether it is a zombie, or reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True
