"""PACKAGER_DEBUG=1: what was decided and why is said on standard error; nothing else changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.packager_command import from_the_start, tar


def test_decisions_are_told_only_where_they_are_asked_for(tmp_path: Path) -> None:
    root, archive = tmp_path / "store", tmp_path / "hello--1.0.tar"
    archive.write_bytes(tar(bin__hello=b"hello"))
    words = ("activate", "--no-systemd", "hello--1.0")
    assert from_the_start(root, "add", archive).stderr == b""
    planned = from_the_start(root, "plan", "hello--1.0", "--no-systemd", PACKAGER_DEBUG="1")
    silent = from_the_start(root, "plan", "hello--1.0", "--no-systemd", PACKAGER_DEBUG="0")
    assert planned.stdout == silent.stdout
    assert silent.stderr == b""
    assert b"entering: hello--1.0; leaving: none" in planned.stderr
    told = from_the_start(root, *words, PACKAGER_DEBUG="1").stderr.decode().splitlines()
    assert all(line.startswith("debug ") for line in told)
    assert any("packager activate: parsed by fast_parser" in line for line in told)
    assert any(f"locked {root}/lock" in line for line in told)
    assert any("the tree of generation 1 is built anew" in line for line in told)


def test_a_failure_to_write_is_ignored(tmp_path: Path) -> None:
    script = "import os; os.close(2); from packager.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "list", "--root", tmp_path],
        env={"PACKAGER_DEBUG": "1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
