"""What a supervisor gives the simulated agent, and what of it reaches the commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

TABLE = {
    "abi": 1,
    "process": "here",
    "command": ["sh", "-c"],
    "defaults": {"response": {"type": "text/plain"}},
    "routes": [
        {"path": "/descriptors", "method": "GET", "argv": ["exec ls /proc/self/fd"]},
        {"path": "/gentle", "method": "GET", "argv": ["exec nice"], "limits": {"nice": 5}},
    ],
}


def ask(table: Path, path: str, *wrapper: str, descriptors: tuple[int, ...] = ()) -> str:
    """What a route answers on a host that was started by `wrapper` with these descriptors."""
    table.write_text(json.dumps(TABLE))
    with subprocess.Popen(
        [*wrapper, sys.executable, "-m", "agentsim", "serve", "--port=0", table],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=descriptors,
    ) as host:
        assert host.stderr
        url = re.search(r"http://\S+", host.stderr.readline())
        assert url
        answer = requests.get(f"{url[0]}/here{path}", timeout=30)
        host.send_signal(signal.SIGTERM)
    return answer.text


def test_descriptors_go_no_further(tmp_path: Path) -> None:
    """ABI-PROC-3. The last one is the listed directory itself."""
    read, write = os.pipe()
    said = ask(tmp_path / "table.json", "/descriptors", descriptors=(read, write))
    os.close(read)
    os.close(write)
    assert said.split() == ["0", "1", "2", "3"]


def test_a_host_that_is_nicer_than_a_route_asks_stays_so(tmp_path: Path) -> None:
    """ABI-PROC-6. Only the privileged may become less nice again."""
    unprivileged = ["setpriv", "--bounding-set=-sys_nice"] if os.geteuid() == 0 else []
    said = ask(tmp_path / "table.json", "/gentle", *unprivileged, "nice", "-n19")
    assert said == "19\n"
