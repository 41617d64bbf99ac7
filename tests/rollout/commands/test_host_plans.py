"""`rollout plan --sample`: hosts tell what would change on them; equal answers are one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster_process import ClusterProcess, cluster_process
from tests.support.shell_table import shell_table

SCRIPT = """
if [ "$1" = history.json ]; then
    case "$MEMBER" in
        *3) echo '{"runs":[]}' ;;
        *) echo '{"runs":[],"fence":0,"holder":null,"request":null}' ;;
    esac
    exit
fi
profile=$(cat)
case "$MEMBER" in
    *1) echo "the profile is refused here" >&2; exit 65 ;;
    *2) echo "{\\"changed\\":false,\\"applied\\":$$}" ;;
    *) printf '{"changed":true,"packages":{"activate":["%s"]},"applied":%s}' "$profile" $$ ;;
esac
"""
ROUTES = ({"path": "/plan.json", "method": "POST", "stdin": "body"}, {"path": "/history.json"})
OLDER = "its provisioner is older, and knows no fences"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    directory = tmp_path_factory.mktemp("cluster")
    table = shell_table(directory, SCRIPT, *ROUTES, name="provisioner")
    options = ("--agents=8", "--environment=MEMBER={hostname}")
    with cluster_process(directory, str(table), *options) as cluster:
        cluster.wait(cluster.said("all 8 agents are registered"), "the agents")
        yield cluster


def plan(cluster: ClusterProcess, directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    strategy: dict[str, Any] = {
        "rollout": 1,
        "name": "web",
        "profile": "web.yaml",
        "masters": cluster.masters,
        "select": {},
        "batches": [1, "100%"],
        "max_unavailable": 2,
        "max_failures": 0,
    }
    (directory / "s.yaml").write_text(json.dumps(strategy))
    (directory / "web.yaml").write_text("web--1")
    return subprocess.run(
        [sys.executable, "-m", "rollout", "plan", *words, str(directory / "s.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_equal_plans_are_told_once_and_causes_too(cluster: ClusterProcess, tmp_path: Path) -> None:
    done = plan(cluster, tmp_path, "--sample=100", "--format=json")
    assert done.returncode == 0, done.stderr
    groups = json.loads(done.stdout)["plans"]
    assert [len(each["hosts"]) for each in groups] == [5, 1, 1, 1]
    assert groups[0]["plan"] == {"changed": True, "packages": {"activate": ["web--1"]}}
    others = {(json.dumps(each["plan"]), each["cause"]) for each in groups[1:]}
    assert others == {
        ('{"changed": false}', ""),
        ("null", "the profile is refused here"),
        ("null", OLDER),
    }
    table = plan(cluster, tmp_path, "--sample=8").stdout
    assert "activate web--1" in table
    assert "nothing" in table and "not known: the profile is refused here" in table


def test_only_so_many_are_asked_and_none_without_being_told_to(
    cluster: ClusterProcess, tmp_path: Path
) -> None:
    assert json.loads(plan(cluster, tmp_path, "--format=json").stdout)["plans"] == []
    told = json.loads(plan(cluster, tmp_path, "--sample=3", "--format=json").stdout)
    asked = [host for group in told["plans"] for host in group["hosts"]]
    first = [f"{each['host']}@{each['address']}" for each in told["selected"][:3]]
    assert sorted(asked) == sorted(first)


def test_credentials_are_not_sent_to_whatever_has_registered(
    cluster: ClusterProcess, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("ops secret-of-ops\n")
    credentials.chmod(0o600)
    words = ("--sample=1", f"--agent-credentials={credentials}")
    refused = plan(cluster, tmp_path, *words)
    assert refused.returncode == 64 and "--trust-network" in refused.stderr
    assert plan(cluster, tmp_path, *words, "--trust-network").returncode == 0
