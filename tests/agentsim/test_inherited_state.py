"""What a supervisor gives the simulated agent, and what of it reaches the commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from agentsim.suite.hosts.processes import descendants, status, wait_until

TABLE = {
    "abi": 1,
    "process": "here",
    "command": ["sh", "-c"],
    "defaults": {"response": {"type": "text/plain"}},
    "routes": [
        {"path": "/descriptors", "method": "GET", "argv": ["exec ls /proc/self/fd"]},
        {
            "path": "/orphans",
            "method": "GET",
            "argv": ["for i in 1 2 3; do (setsid sleep 0.5 >/dev/null 2>&1 &); done; echo done"],
        },
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


@contextmanager
def serving(table: Path, *wrapper: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a host that was started by `wrapper`, and the program that was started."""
    table.write_text(json.dumps(TABLE))
    command = [*wrapper, sys.executable, "-m", "agentsim", "serve", "--port=0", str(table)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stderr
            url = re.search(r"http://\S+", program.stderr.readline())
            assert url
            yield url[0], program
        finally:
            program.kill()


def test_an_ignored_hangup_stays_ignored(tmp_path: Path) -> None:
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    with serving(tmp_path / "table.json", *ignoring) as (url, host):
        host.send_signal(signal.SIGHUP)
        assert requests.get(f"{url}/here/descriptors", timeout=30).ok
        host.send_signal(signal.SIGTERM)
        assert host.wait(60) == 0


def test_process_one_reaps_what_it_inherits(tmp_path: Path) -> None:
    alone = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no process namespace can be made here")
    with serving(tmp_path / "table.json", *alone) as (url, program):
        assert requests.get(f"{url}/here/orphans", timeout=30).text == "done\n"
        (host,) = (pid for pid in descendants(program.pid) if status(pid, "NSpid").endswith("\t1"))
        wait_until(lambda: len(descendants(host)) == 0, 60, "an end of the orphans")
        assert requests.get(f"{url}/here/descriptors", timeout=30).ok
