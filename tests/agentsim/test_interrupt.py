"""How a person ends the simulated agent: Ctrl-C, and Ctrl-C again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import requests
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import Simulator

# Ignores SIGTERM; a grace period that no test waits for.
STUBBORN = {
    "abi": 1,
    "process": "stubborn",
    "command": ["sh"],
    "routes": [
        {
            "path": "/stay",
            "method": "GET",
            "argv": ["-c", "trap '' TERM; echo ready; while :; do sleep 600; done"],
            "response": {"delivery": "stream"},
            "grace": 600,
            "timeout": 600,
        }
    ],
}


def test_a_second_interrupt_does_not_wait_for_the_grace(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    table = tmp_path / "stubborn.json"
    table.write_text(json.dumps(STUBBORN))
    host = simulator(table)
    with requests.get(f"{host.url}/stubborn/stay", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"ready"
        os.kill(host.pid, signal.SIGINT)
        said = "ending the running commands; Ctrl-C again kills them"
        wait_until(lambda: said in host.log.read_text(), 30, said)
        os.kill(host.pid, signal.SIGINT)
        record = json.loads(next(lines))
    assert (record["signal"], record["reason"]) == ("SIGKILL", "shutdown")
