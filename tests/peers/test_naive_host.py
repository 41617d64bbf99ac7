"""The suite sees through a careless host: which clauses it breaks is known, one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_which_clauses_a_careless_host_breaks(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "agentsim", "suite", "-p", "tests.peers.naive_host", "-n", "12"),
        # Of what was recorded one group is enough: it breaks them all.
        *("-k", "not recorded or observed-routing"),
        *("--abi-host=naive", "--abi-deadline=2", "--abi-requests=100"),
        *("--tb=no", "-q", f"--abi-report={tmp_path}/naive"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    report = json.loads((tmp_path / "naive.json").read_text())["hosts"]["naive"]
    states = {clause: entry["state"] for clause, entry in report.items()}
    assert set(states) == set(clauses()), done.stdout
    broken = {clause for clause, state in states.items() if state == "failed"}
    assert broken == set(clauses()) - KEPT - UNKNOWN
    assert {clause for clause, state in states.items() if state == "skipped"} == UNKNOWN
