"""On a system that is not Linux, agentsim and the chores say so, and where to go instead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that takes itself for one on another system."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.platform = 'darwin'\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "no-such-table.json"]])
def test_agentsim_leads_to_the_image(elsewhere: dict[str, str], arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", *arguments],
        env=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (69, "")
    (line,) = done.stderr.splitlines()
    assert "needs Linux" in line and "darwin" in line and "docker build" in line


def test_so_do_the_chores(elsewhere: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "noxfile.py", "demo"],
        env=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "needs Linux" in line and "docker build" in line
