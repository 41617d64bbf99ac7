"""`nox -s cluster` where there is no engine for containers."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import ROOT


def test_without_an_engine_it_is_simulated() -> None:
    tool = ROOT / "harness" / "tools" / "mesos_cluster.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--agents=3", "--once"],
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "It is simulated instead." in done.stderr
    assert "all 3 agents are registered" in done.stdout
