"""The played provisioner: its streams are those of the real one, and its state is real."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from agentsim.cluster.scripted.host_state import HostState
from agentsim.cluster.scripted.provisioner import Refused, parse_call, play

from tests.conftest import ROOT
from tests.support.cluster_process import cluster_process

TABLE = str(ROOT / "module" / "routes" / "provisioner.json")
#: What the two can't have in common: digests, times, the place of the store.
VARYING = (
    (r"-config--[0-9a-f]{16}", "-config--…"),
    (r'"(time|started|finished)":"[^"]+"', r'"\1":"…"'),
    (r'"request_id":(null|"[^"]*")', '"request_id":…'),
    (r"(to|in) /\S+?(?= yet|;)", r"\1 …"),
)


def profile(port: int, name: str = "web") -> str:
    return (
        f"profile: 1\nname: {name}\nroles: []\nrepositories: []\npackages: []\nconfiguration:\n"
        f"  values: {{port: {port}}}\n  files:\n    - path: etc/hello.conf\n"
        '      template: "port = {{ values.port }}\\n"\n'
    )


OURS = "--rollout=o --fence=3 --holder=a"
#: The commands of a host, one after the other: arguments, and what they read.
SCRIPT: tuple[tuple[str, str], ...] = (
    ("status --exit-zero --format=json", ""),
    ("history --format=json", ""),
    ("apply --format=ndjson -- -", profile(1)),
    ("apply --format=ndjson -- -", profile(1)),
    ("status --exit-zero --format=json --quick", ""),
    ("apply --format=ndjson -- -", profile(2).replace("profile: 1\n", "")),
    ("apply --format=ndjson -- -", profile(2)),
    ("apply --format=ndjson -- -", profile(2, "other")),
    ("rollback --format=ndjson --", ""),
    ("apply --format=ndjson", ""),
    ("rollback --format=ndjson -- 1", ""),
    ("rollback --format=ndjson -- 99", ""),
    ("history --format=json", ""),
    ("fence --holder=a --format=json -- 3", ""),
    ("fence --holder=b --format=json -- 3", ""),
    ("fence --holder=b --format=json -- 2", ""),
    (f"stage --format=ndjson --revision=r1 {OURS} -- -", profile(3)),
    (f"stage --format=ndjson --revision=r1 {OURS} -- -", profile(4)),
    (f"apply --format=ndjson --revision=r1 --attempt=1 {OURS} -- -", profile(3)),
    (f"apply --format=ndjson --revision=r1 --attempt=1 {OURS} -- -", profile(3)),
    ("history --format=json", ""),
    (f"apply --format=ndjson --revision=r1 --attempt=2 {OURS} -- -", profile(3)),
    (f"apply --format=ndjson --revision=r1 --attempt=3 {OURS} -- -", profile(4)),
    ("apply --format=ndjson --rollout=o --fence=2 --holder=z -- -", profile(3)),
    ("history --format=json", ""),
    ("status --exit-zero --format=json", ""),
    (f"rollback --format=ndjson --attempt=4 {OURS} -- 1", ""),
    (f"rollback --format=ndjson --attempt=5 {OURS} -- 99", ""),
    ("fence --holder=a --format=json -- 4", ""),
    ("history --format=json", ""),
)


def run_real(store: Path, arguments: str, stdin: str) -> tuple[str, int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "provisioner", *arguments.split()],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "PACKAGER_ROOT": str(store)},
        check=False,
    )
    return done.stdout, done.returncode, done.stderr


def run_played(host: HostState, arguments: str, stdin: str = "") -> tuple[str, int, str]:
    lines: list[str] = []
    call = parse_call(arguments.split(), stdin.encode(), None, "sim-0001", 1.0)
    try:
        lines.extend(play(host, call))
    except Refused as refused:
        return "".join(lines), refused.code, f"provisioner: {refused.words}\n"
    return "".join(lines), 0, ""


def comparable(answer: tuple[str, int, str]) -> tuple[str, int, str]:
    def masked(text: str) -> str:
        for pattern, replacement in VARYING:
            text = re.sub(pattern, replacement, text)
        return text

    return masked(answer[0]), answer[1], masked(answer[2])


def test_its_streams_are_those_of_the_real_one(tmp_path: Path) -> None:
    host = HostState()
    for arguments, stdin in SCRIPT:
        real = comparable(run_real(tmp_path / "store", arguments, stdin))
        played = comparable(run_played(host, arguments, stdin))
        assert played == real, arguments


def test_a_killed_apply_is_pending_and_begun_again() -> None:
    host = HostState()
    run_played(host, "apply -- -", profile(1))
    call = parse_call(["apply", "--", "-"], profile(2).encode(), None, "h", 1.0)
    steps = play(host, call)
    for line in steps:
        if json.loads(line)["event"] == "switched":
            break  # killed here
    history = json.loads(run_played(host, "history")[0])
    assert (history["applied"], history["pending"]) == (1, 2)
    assert history["runs"][1]["outcome"] is None
    assert run_played(host, "apply -- -", profile(2))[1] == 0
    assert json.loads(run_played(host, "history")[0])["pending"] is None


def test_fences_and_revisions() -> None:
    host = HostState()
    assert run_played(host, "fence --holder=a -- 5")[1] == 0
    assert run_played(host, "fence --holder=b -- 5")[1] == 73
    assert run_played(host, "apply --fence=4 --holder=a -- -", profile(1))[1] == 73
    ours = "apply --fence=5 --holder=a --revision=r1 --rollout=x --attempt=2 -- -"
    assert run_played(host, ours, profile(1))[1] == 0
    assert run_played(host, ours, profile(2))[1] == 73  # other bytes
    assert run_played(host, ours.replace("=2", "=1"), profile(1))[1] == 73
    # Nothing changes, and yet it is a run of its own, with the revision.
    assert run_played(host, ours.replace("r1", "r2").replace("=2", "=3"), profile(1))[1] == 0
    status = json.loads(run_played(host, "status")[0])
    assert (status["revision"], status["rollout"]) == ("r2", "x")
    assert (status["fence"], status["holder"], status["run"]) == (5, "a", 2)


def test_a_secret_of_a_profile_is_nowhere() -> None:
    host = HostState()
    run_played(host, "apply -- -", profile(1).replace("port: 1", "port: 1, key: hunter2"))
    told = [run_played(host, each)[0] for each in ("status", "history", "facts")]
    assert "hunter2" not in repr(host) + "".join(told)


@pytest.mark.parametrize(("fault", "status", "outcome"), [("full", 74, None), ("unhealthy", 65, 1)])
def test_hosts_that_fail(tmp_path: Path, fault: str, status: int, outcome: Any) -> None:
    options = ("--agents=2", "--time-scale=0.02", "--scripted")
    with cluster_process(tmp_path, TABLE, *options) as cluster:
        address = cluster.agents()[0]["address"]
        url = f"http://{address}/provisioner"

        def apply(port: int) -> dict[str, Any]:
            answer = requests.post(f"{url}/apply", profile(port), timeout=20)
            record: dict[str, Any] = json.loads(answer.text.splitlines()[-1])
            return record

        assert apply(1)["exit_code"] == 0
        assert cluster.tell("inject", fault=f"{fault}:1").ok
        assert apply(2)["exit_code"] == status
        history = requests.get(f"{url}/history.json", timeout=20).json()
        assert history["applied"] == 1
        assert len(history["runs"]) == (2 if outcome else 1)
        assert cluster.tell("inject", fault="return:1").ok
        assert apply(2)["exit_code"] == 0
        assert requests.get(f"{url}/status.json", timeout=20).json()["in_sync"]
        other = cluster.agents()[1]["address"]
        assert (
            requests.get(f"http://{other}/provisioner/status.json", timeout=20).status_code == 404
        )
