"""The module's core in C++ keeps the same vectors as the core in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.vectors import DIRECTORY, Case, cases, octets

MODULE = Path(__file__).parents[2] / "module"
SUBJECTS = ("access", "table", "match", "argv", "answer", "record", "environment")

pytestmark = pytest.mark.xdist_group("module")


def _missing() -> str:
    """What is not installed that building the core needs; empty if nothing is."""
    if shutil.which("cmake") is None:
        return "cmake is not installed"
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        return "there is no C++ compiler"
    return ""


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """What the core gives for each case, by subject and name."""
    if reason := _missing():
        pytest.skip(reason)
    build = tmp_path_factory.mktemp("module")
    # As one unit, not optimised: a quarter of the compiler's work.
    quick = ["-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0"]
    quick += ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0"]
    configured = _run(["cmake", "-S", MODULE, "-B", build, *quick])
    if "nlohmann_json" in configured.stderr:
        pytest.skip("the header nlohmann/json is not installed (Debian: nlohmann-json3-dev)")
    assert configured.returncode == 0, configured.stderr
    built = _run(["cmake", "--build", build, "--target=vectors"])
    assert built.returncode == 0, built.stdout + built.stderr
    assert "warning" not in built.stderr
    files = [DIRECTORY / f"{subject}.json" for subject in SUBJECTS]
    ran = _run([build / "vectors", *files])
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return {(line["subject"], line["name"]): line["result"] for line in lines}


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_vectors(subject: str, results: dict[tuple[str, str], Any]) -> None:
    """Every case of one file; all that differ are told."""
    wrong = [
        f"{case['name']}: {results[subject, case['name']]} instead of {case['expect']}"
        for case in cases(subject)
        if not _agrees(subject, case, results[subject, case["name"]])
    ]
    assert not wrong, "\n".join(wrong)


def _agrees(subject: str, case: Case, result: Any) -> bool:
    expected = case["expect"]
    match subject, case.get("kind", ""):
        case "table", _:
            return _table_agrees(expected, result)
        case "answer", "exit-statuses":
            first, last = case["exit_codes"]
            return bool(result == [expected["status"]] * (last - first + 1))
        case "answer", "signals":
            return bool(
                result["names"] == expected["names"]
                and result["statuses"] == [expected["status"]] * 64
            )
        case "answer", "reason-phrases":
            errors = sorted(status for status in map(int, expected["phrases"]) if status >= 400)
            return bool(result["errors"] == errors)
    if subject == "argv" and "arguments" in expected:
        arguments = [_hex(argument) for argument in expected["arguments"]]
        return bool(result == {"arguments": arguments, "timeout": expected.get("timeout", 60)})
    if subject == "answer":
        body = None if expected["body"] is None else _hex(expected["body"])
        return bool(result == {**expected, "body": body})
    if subject == "match" and "route" in expected:
        return bool(result == {**expected, "rest": _hex(expected["rest"])})
    return bool(result == (_hex(expected) if subject == "record" else expected))


def _table_agrees(expected: Any, result: Any) -> bool:
    if "problems" in expected or "problems" in result:
        return bool(expected.get("problems") == result.get("problems"))
    fields = [(result["table"], expected.get("table", {}))]
    fields += [
        (result["routes"][int(index)], wanted)
        for index, wanted in expected.get("routes", {}).items()
    ]
    return all(given[name] == value for given, wanted in fields for name, value in wanted.items())


def _hex(value: Any) -> str:
    return octets(value).hex()
