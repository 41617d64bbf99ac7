"""A spool directory that goes away under a running agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import requests
from agentsim.suite.hosts.processes import wait_until

from tests.conftest import Simulator
from tests.support.shell_table import shell_table


def test_a_spool_that_was_removed_is_not_called_full(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    table = shell_table(
        tmp_path,
        "case $1 in cat) exec cat;; *) exec head -c 100000 /dev/zero;; esac",
        {"path": "/cat", "method": "POST", "stdin": "body"},
        {"path": "/zeros"},
    )
    host = simulator(table, f"--spool-dir={spool}")
    spool.rmdir()
    said = "spool directory does not exist any more"
    for method, path in (("POST", "/cat"), ("GET", "/zeros")):
        body = bytes(100_000) if method == "POST" else None
        answer = requests.request(method, f"{host.url}/t{path}", data=body, timeout=30)
        assert answer.status_code == 503
        assert said in answer.json()["detail"]
    wait_until(lambda: host.log.read_text().count(f"the {said}") == 2, 30, "both in the log")
