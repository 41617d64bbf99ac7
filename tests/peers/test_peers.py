"""The suite sees other people's hosts as they are: what they keep, and what they break."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What of each peer is certain, whatever its version: what it keeps, and what it has no way to keep.
KEPT = ("test_every_byte_value_passes", "test_a_body_arrives_as_it_is")
BROKEN = ("test_every_exit_status_has_its_own",)


@pytest.mark.parametrize("peer", ["lighttpd"])
def test_the_suite_can_be_pointed_at_a_peer(peer: str, tmp_path: Path) -> None:
    if not shutil.which(peer):
        pytest.skip(f"Debian's {peer} is not installed")
    report = tmp_path / "report"
    names = " or ".join((*KEPT, *BROKEN))
    command = [
        *(sys.executable, "-m", "agentsim", "suite", "-p", "tests.peers", f"--abi-host={peer}"),
        *("-q", "--tb=no", "-k", names, f"--abi-report={report}"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    column = json.loads(report.with_suffix(".json").read_text())["hosts"][peer]
    outcomes: dict[str, set[str]] = {}
    for clause in column.values():
        for test, result in clause["tests"].items():
            name = test.partition("::")[2].partition("[")[0]
            outcomes.setdefault(name, set()).add(result["outcome"])
    assert all(outcomes[name] == {"passed"} for name in KEPT), done.stdout
    assert all("failed" in outcomes[name] for name in BROKEN)
