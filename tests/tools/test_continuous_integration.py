"""`.ci/run` does what the README says, and hands on how it ended."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "run"
NOXFILE = """
import sys
print("arguments:", *sys.argv[1:])
print("2 failed, 3 passed")
print("nox > sessions failed", file=sys.stderr)
sys.exit(3)
"""
APT = '#!/bin/sh\necho "$@" >>installed\nfor last; do :; done\n[ "$last" != cppcheck ]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with the system's few programs and a stand-in for apt-get, whose cppcheck fails."""
    path = tmp_path / "path"
    path.mkdir()
    for name in ("bash", "id", "tee", "tail", "mktemp", "rm", "dirname", "cat"):
        (path / name).symlink_to(str(shutil.which(name)))
    (path / "python3").symlink_to(Path(sys.executable).resolve())
    (path / "apt-get").write_text(APT)
    (path / "apt-get").chmod(0o755)
    return path


def test_it_runs_what_the_readme_says_and_ends_as_that_did(tmp_path: Path, path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    done = subprocess.run(
        [tmp_path / ".ci" / "run"],
        cwd="/",
        env={"PATH": str(path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == ["arguments:", "2 failed, 3 passed", "2 failed, 3 passed"]
    assert "`python3 noxfile.py` runs the linters" in (ROOT / "README.md").read_text()
    if os.getuid() == 0:
        installed = (tmp_path / "installed").read_text()
        assert re.search(r"install .* clang-format-14\n", installed)
        assert re.search(r"install .* strace\n", installed), "one that fails stops no other"
        assert "ci: could not install cppcheck" in done.stderr
