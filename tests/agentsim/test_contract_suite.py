"""The contract suite itself: it covers the contract, its report tells the truth, and is usable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from agentsim.suite.clauses import clauses
from agentsim.suite.cli import PLUGIN
from agentsim.suite.hosts import probe_files
from agentsim.suite.report import Column, markdown, write

ROOT = Path(__file__).parents[2]
SUITE_TESTS = ROOT / "harness" / "agentsim" / "suite" / "tests"


@pytest.fixture(scope="module")
def proved() -> dict[str, list[str]]:
    """The tests of each clause, as their files have them."""
    found: dict[str, list[str]] = defaultdict(list)
    pattern = re.compile(r"((?:^@[^\n]*\n(?:[ )\]][^\n]*\n)*)+)def (test_\w+)", re.MULTILINE)
    for file in SUITE_TESTS.glob("test_*.py"):
        for marks, name in pattern.findall(file.read_text(encoding="utf-8")):
            for clause in re.findall(r'"(ABI-[A-Z]+-\d+)"', marks):
                found[clause].append(f"{file.stem.removeprefix('test_')}::{name}")
    tables = (SUITE_TESTS / "table_cases.py").read_text(encoding="utf-8")
    for clause in re.findall(r'"(ABI-TABLE-\d+)"', tables):
        found[clause].append("route_tables::test_a_table_is_judged")
    return found


def test_every_clause_has_a_test(proved: dict[str, list[str]]) -> None:
    assert [clause for clause in clauses() if not proved[clause]] == []


def test_every_failure_mode_has_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "suite.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 91))
    for _, names in rows:
        for file, test in re.findall(r"`(\w+)::(\w+)`", names):
            source = (SUITE_TESTS / f"test_{file}.py").read_text(encoding="utf-8")
            assert f"\ndef {test}(" in source, f"{file}::{test}"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The suite as its users run it, from a directory of theirs."""
    return subprocess.run(
        [sys.executable, "-m", "agentsim", "suite", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_report_has_a_column_for_each_host(tmp_path: Path) -> None:
    for name in ("first", "second"):
        options = ("-q", "-k", "literals_come_in_order", f"--abi-name={name}")
        done = run(*options, f"--abi-report={tmp_path}/report", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["hosts"]) == ["first", "second"]
    text = (tmp_path / "report.md").read_text()
    assert "| clause | first | second |" in text
    assert "| ABI-ARGV-1 | pass | pass |" in text
    assert "| ABI-ARGV-7 | **no test** | **no test** |" in text


def test_a_report_says_why(tmp_path: Path) -> None:
    column = Column()
    column.add("ABI-ENV-1", "x/test_a.py::test_a", "passed", "")
    column.add("ABI-ENV-1", "x/test_a.py::test_b", "failed", "assert 1 == 2")
    column.add("ABI-ENV-2", "x/test_a.py::test_c", "skipped", "no log")
    column.add("ABI-ENV-3", "x/test_a.py::test_c", "skipped", "no log")
    column.add("ABI-ENV-3", "x/test_a.py::test_d", "passed", "")
    column.add("ABI-ENV-4", "x/test_a.py::test_e", "passed", "")
    column.add("ABI-ENV-4", "x/test_a.py::test_e", "failed", "teardown")
    assert [column.state(f"ABI-ENV-{n}") for n in range(1, 6)] == [
        *("failed", "skipped", "passed", "failed", "no test")
    ]
    write(tmp_path / "report.md", "here", column)
    text = (tmp_path / "report.md").read_text()
    assert "- ABI-ENV-1: `test_a.py::test_b`: assert 1 == 2" in text
    assert "- ABI-ENV-2 ABI-ENV-3: `test_a.py::test_c`: no log" in text
    assert text == markdown(json.loads((tmp_path / "report.json").read_text())["hosts"])


def test_a_host_at_a_url(simulator: object, tmp_path: Path) -> None:
    written = probe_files.write(tmp_path / "probes")
    options = [f"--environment={name}={value}" for name, value in probe_files.ENVIRONMENT.items()]
    host = simulator(  # type: ignore[operator]
        *written.tables, f"--credentials={written.credentials}", *options
    )
    done = run(
        *("-q", "-rs", "-k", "test_environment or test_authentication or test_host_lifecycle"),
        f"--abi-host={host.url}",
        f"--abi-host-pid={host.pid}",
        f"--abi-host-log={host.log}",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a host that somebody else has started can't be started anew" in done.stdout
    assert " failed" not in done.stdout and " passed" in done.stdout


def test_a_clause_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import pytest\n@pytest.mark.clause('ABI-NONE-1')\ndef test_x(): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "there is no clause ABI-NONE-1" in done.stdout + done.stderr


def test_an_unknown_kind_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = run("-x", "-k", "literals_come_in_order", "--abi-host=elephant", cwd=tmp_path)
    assert done.returncode != 0
    assert "elephant: neither a URL nor one of" in done.stdout


@pytest.mark.parametrize("kind", ["module", "agent"])
def test_a_host_that_is_not_here_is_skipped_with_the_reason(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ABI_MODULE_BUILD", "ABI_MESOS_AGENT"):
        monkeypatch.delenv(name, raising=False)
    result = run(f"--abi-host={kind}", "-rs", "-k", "no_output", cwd=tmp_path)
    assert result.returncode == 5, result.stdout
    assert "does not name a" in result.stdout and "error" not in result.stdout


def test_probe_tables_go_where_they_are_wanted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agentsim", "probe-tables", str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tables" in done.stdout
    tables = sorted((tmp_path / "there" / "tables").glob("*.json"))
    check = [sys.executable, "-m", "agentsim", "check", *map(str, tables)]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
