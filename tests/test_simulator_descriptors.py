"""What a supervisor leaves open for the simulated agent is not for its commands (ABI-PROC-3)."""

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
    "command": ["ls"],
    "routes": [
        {
            "path": "/descriptors",
            "method": "GET",
            "argv": ["/proc/self/fd"],
            "response": {"type": "text/plain"},
        }
    ],
}


def test_inherited_descriptors_go_no_further(tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps(TABLE))
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "agentsim", "serve", "--port=0", table],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(read, write),
    ) as host:
        assert host.stderr
        url = re.search(r"http://\S+", host.stderr.readline())
        assert url
        answer = requests.get(f"{url[0]}/here/descriptors", timeout=30)
        host.send_signal(signal.SIGTERM)
    os.close(read)
    os.close(write)
    assert answer.text.split() == ["0", "1", "2", "3"]  # the last is the listed directory itself
