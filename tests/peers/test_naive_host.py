"""The suite sees through a careless host: which clauses it breaks is known, one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from agentsim.suite.clauses import clauses

ROOT = Path(__file__).parents[2]

# It keeps these by accident: it does nothing of its own in time, to signals or to tables, it has no
# credentials at all.
KEPT = {
    *("ABI-TABLE-11", "ABI-TABLE-34", "ABI-ROUTE-4", "ABI-ENV-10", "ABI-PROC-4"),
    *("ABI-STDIN-11", "ABI-OUT-10", "ABI-HTTP-2", "ABI-HTTP-6", "ABI-LIFE-6"),
}
# Nobody can ask it: it says nothing of tables, and has no spool, no clock and no size of its own.
UNKNOWN = {f"ABI-TABLE-{n}" for n in (*range(2, 10), *range(12, 27), *range(30, 34), 36, 37)} - {
    "ABI-TABLE-10"
} | {"ABI-OUT-9", "ABI-TIME-7", "ABI-LIFE-5", "ABI-PROC-17"}


@pytest.mark.long
def test_which_clauses_a_careless_host_breaks(tmp_path: Path) -> None:
    states = judged(tmp_path, "not recorded or observed-routing", "12")
    assert set(states) == set(clauses())
    broken = {clause for clause, state in states.items() if state == "failed"}
    assert broken == set(clauses()) - KEPT - UNKNOWN
    assert {clause for clause, state in states.items() if state == "skipped"} == UNKNOWN


def test_some_clauses_that_a_careless_host_breaks(tmp_path: Path) -> None:
    """Of each kind a few; all of them are held against it in the long runs."""
    states = judged(tmp_path, "test_arguments or test_exit_status", "2")
    broken = {clause for clause, state in states.items() if state == "failed"}
    assert len(broken) > 5 and not broken & (KEPT | UNKNOWN)


def judged(tmp_path: Path, selected: str, workers: str) -> dict[str, str]:
    """What became of each clause that these tests are about. Of what was recorded one group is
    enough: it breaks them all."""
    command = [
        *(sys.executable, "-m", "agentsim", "suite", "-p", "tests.peers.naive_host", "-n", workers),
        *("-k", selected),
        *("--abi-host=naive", "--abi-deadline=2", "--abi-requests=100"),
        *("--tb=no", "-q", f"--abi-report={tmp_path}/naive"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (tmp_path / "naive.json").exists(), done.stdout
    report = json.loads((tmp_path / "naive.json").read_text())["hosts"]["naive"]
    return {clause: entry["state"] for clause, entry in report.items()}
