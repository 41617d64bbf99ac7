"""Tests marked `alone` have the machine to themselves, whatever the other workers have to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agentsim.suite.cli import PLUGIN

TESTS = """
import os, time
from pathlib import Path
import pytest

RUNNING = Path(__file__).parent / "running"

@pytest.mark.parametrize("number", range(40))
def test_beside(number):
    mine = RUNNING / str(number)
    mine.touch()
    time.sleep(0.05)
    mine.unlink()

@pytest.mark.alone
@pytest.mark.parametrize("number", range(2))
def test_alone(number):
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert os.listdir(RUNNING) == []
    (RUNNING / f"alone-{number}").touch()
    (RUNNING / f"alone-{number}").unlink()
"""


def test_nothing_runs_beside_a_test_that_is_to_be_alone(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    # Both workers have tests of both kinds, as each gets every other one at first.
    (tmp_path / "test_some.py").write_text(TESTS)
    for workers in ("0", "2"):
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", PLUGIN, "-q", f"-n{workers}", "test_some.py"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "42 passed" in result.stdout, result.stdout + result.stderr
        assert list(tmp_path.glob("abi-*")) == [], "the locks are taken away"
