"""`nox -s long`: what is marked long is run by it alone, and its table says what was left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "harness" / "tools" / "long_runs.py"

TESTS = """
import pytest

def test_short():
    pass

@pytest.mark.long
def test_long():
    pass
"""


def pytest_here(directory: Path, *words: str) -> str:
    """What pytest says of the tests of a directory, with this project's configuration."""
    configuration = ("-c", ROOT / "pyproject.toml", "--rootdir", directory, directory)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *configuration,
            *words,
            directory,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_long_tests_are_run_only_when_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    assert "1 passed, 1 deselected" in pytest_here(tmp_path, "-v", "-k", "short or long")
    assert "test_long PASSED" in pytest_here(tmp_path, "-v", "-m", "long")


def run(*parts: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tool, on a machine with neither a compiler nor an agent."""
    names = ("ABI_MODULE_BUILD", "ABI_MESOS_AGENT")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, TOOL, *parts],
        env={**kept, "PATH": "/nowhere", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_can_not_be_run_is_named_with_the_reason() -> None:
    done = run("module", "agent", "sanitize")
    assert done.returncode == 5, "nothing was proved"
    assert "| module | the contract, of the module on libprocess | skipped |" in done.stdout
    assert "- module: ABI_MODULE_BUILD not set" in done.stdout
    assert "- agent: ABI_MODULE_BUILD and ABI_MESOS_AGENT not set" in done.stdout
    assert "- sanitize: not installed: clang++, cmake" in done.stdout


def test_skipped_tests_are_counted_with_their_reason(tmp_path: Path) -> None:
    done = run("module", ABI_MODULE_BUILD=str(tmp_path))  # which has no build
    assert done.returncode == 5, done.stdout + done.stderr
    assert f"- module: {tmp_path}/host is not there: that build found no Mesos (" in done.stdout


def test_a_failure_is_a_failure() -> None:
    done = run("module", ABI_MODULE_BUILD="/nowhere", PYTEST_ADDOPTS="--no-such-option")
    assert done.returncode == 1
    assert "| module | the contract, of the module on libprocess | failed |" in done.stdout


def test_an_unknown_part_is_named_with_those_there_are() -> None:
    done = run("elephant")
    assert done.returncode == 2
    assert "no part 'elephant'; there are: tests, module" in done.stderr
