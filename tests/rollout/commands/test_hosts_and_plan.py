"""`rollout hosts` and `rollout plan` against a simulated cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.cluster_process import ClusterProcess, call, cluster_process

OPTIONS = ("--agents=12", "--domain=eu/z1|z2|z3", "--attributes=role:web|web|db")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def credentials(directory: Path) -> Path:
    path = directory / "credentials"
    path.write_text("ops secret-of-ops\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def cluster(directory: Path, credentials: Path) -> Iterator[ClusterProcess]:
    with cluster_process(directory, f"--master-credentials={credentials}", *OPTIONS) as cluster:
        cluster.wait(cluster.said("all 12 agents are registered"), "the agents")
        yield cluster


def rollout(
    command: str, cluster: ClusterProcess, credentials: Path | None, *words: str, **changed: Any
) -> subprocess.CompletedProcess[str]:
    strategy = {
        "rollout": 1,
        "name": "web",
        "profile": "web.yaml",
        "masters": cluster.masters,
        "select": {},
        "batches": [1, 4, "100%"],
        "max_unavailable": 2,
        "max_failures": 0,
        **changed,
    }
    access = [] if credentials is None else [f"--credentials={credentials}"]
    return subprocess.run(
        [sys.executable, "-m", "rollout", command, *access, *words, "-"],
        input=json.dumps(strategy),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_who_is_selected_and_who_is_not_and_why(cluster: ClusterProcess, credentials: Path) -> None:
    select = {"attributes": {"role": "web"}, "zone": ["z1", "z2"]}
    done = rollout("hosts", cluster, credentials, "--format=json", select=select)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["selected"] and told["left_out"]
    assert len(told["selected"]) + len(told["left_out"]) == 12
    for each in told["selected"]:
        assert each["attributes"]["role"] == "web" and each["zone"] in ("z1", "z2")
        assert each["state"] == "active" and each["address"].startswith("127.1.")
    reasons = {each["reason"] for each in told["left_out"]}
    assert reasons <= {"its attribute role is db", "its zone is z3"}
    table = rollout("hosts", cluster, credentials, select=select).stdout
    assert table.startswith("HOST")
    assert "batch 1" in table and "left out" in table


def test_the_plan_has_batches_and_budgets_and_is_the_same_each_time(
    cluster: ClusterProcess, credentials: Path
) -> None:
    plans = [rollout("plan", cluster, credentials, "--format=json") for _ in range(2)]
    assert [each.returncode for each in plans] == [0, 0], plans[0].stderr
    assert plans[0].stdout == plans[1].stdout
    told = json.loads(plans[0].stdout)
    assert [each["hosts"] for each in told["batches"]] == [1, 4, 12]
    assert told["budgets"] == {"unavailable": 2, "failures": 0}
    table = rollout("plan", cluster, credentials)
    assert "12 hosts" in table.stdout


def test_what_could_not_begin_is_refused_with_every_reason(
    cluster: ClusterProcess, credentials: Path
) -> None:
    changed = {"select": {"at_least": 20}, "max_unavailable": "1%"}
    done = rollout("plan", cluster, credentials, **changed)
    assert done.returncode == 65
    assert "12 hosts are selected, and select.at_least asks for 20" in done.stderr
    assert "max_unavailable: 1% of 12 hosts comes to none" in done.stderr
    nobody = rollout("plan", cluster, credentials, select={"zone": ["z9"]})
    assert nobody.returncode == 65 and "no host is selected" in nobody.stderr


def test_a_budget_that_is_used_up_before_the_start_names_the_hosts(
    cluster: ClusterProcess, credentials: Path
) -> None:
    listed = requests.get(f"{cluster.masters[0]}/slaves", auth=("ops", "secret-of-ops"), timeout=20)
    agent = listed.json()["slaves"][0]
    member = {"agent_id": {"value": agent["id"]}}
    url = cluster.masters[0].replace("http://", "http://ops:secret-of-ops@")
    assert call(url, "DEACTIVATE_AGENT", **member).ok
    done = rollout("plan", cluster, credentials, max_unavailable=1)
    assert done.returncode == 65
    assert f"before the start: {agent['hostname']}@" in done.stderr
    assert call(url, "REACTIVATE_AGENT", **member).ok


def test_who_has_no_credentials_is_told_what_helps(
    cluster: ClusterProcess, directory: Path
) -> None:
    done = rollout("hosts", cluster, None)
    assert done.returncode == 77 and "give credentials" in done.stderr
    open_file = directory / "open"
    open_file.write_text("ops secret-of-ops\n")
    open_file.chmod(0o644)
    refused = rollout("hosts", cluster, open_file)
    assert refused.returncode == 78 and "chmod o=" in refused.stderr
    empty = directory / "empty"
    empty.write_text("secret-of-ops\n")
    empty.chmod(0o600)
    refused = rollout("hosts", cluster, empty)
    assert refused.returncode == 78 and "secret-of-ops" not in refused.stderr


def test_a_master_that_is_not_there(cluster: ClusterProcess, credentials: Path) -> None:
    done = rollout("plan", cluster, credentials, "--wait=0.1", masters=["http://127.0.0.1:1"])
    assert done.returncode == 69
    assert "no master leads: http://127.0.0.1:1" in done.stderr
    assert "secret-of-ops" not in done.stderr
