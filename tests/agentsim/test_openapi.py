"""`agentsim openapi`: descriptions that others' tools take, of what hosts really do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.conftest import ROOT

TABLES = [ROOT / "module" / "routes" / f"{name}.json" for name in ("packager", "provisioner")]


def openapi(*words: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "openapi", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi(*TABLES).stdout)
    return found


def test_it_is_valid(described: dict[str, Any]) -> None:
    validate(described)
    assert described["openapi"].startswith("3.1.")


def test_every_table_of_the_suite_is_described(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agentsim", "probe-tables", tmp_path], check=False, cwd=tmp_path
    )
    assert done.returncode == 0
    tables = [each for each in tmp_path.rglob("*.json") if '"routes"' in each.read_text()]
    good = [each for each in tables if "broken" not in each.name]
    assert len(good) > 3
    validate(json.loads(openapi(*sorted(good)).stdout))


def test_every_route_is_in_it_with_its_parameters_and_who_may(described: dict[str, Any]) -> None:
    for file in TABLES:
        table = json.loads(file.read_text())
        for route in table["routes"]:
            item = described["paths"][f"/{table['process']}{route['path']}"]
            operation = item[route["method"].lower()]
            names = {each["name"] for each in operation["parameters"]}
            assert names == {*route.get("parameters", {}), "timeout"}
            assert operation["security"] == [{"credentials": []}]
            assert ("requestBody" in operation) == (route.get("stdin") == "body")
            assert "401" in operation["responses"] and "503" in operation["responses"]


def test_types_and_limits(described: dict[str, Any]) -> None:
    add = described["paths"]["/packager/add"]["post"]
    schemas = {each["name"]: each for each in add["parameters"]}
    assert schemas["url"]["required"] and not schemas["sha256"]["required"]
    assert schemas["sha256"]["schema"] == {
        "type": "string",
        "minLength": 64,
        "maxLength": 64,
        "pattern": "^[0123456789abcdef]*$",
    }
    assert schemas["size"]["schema"]["minimum"] == 1
    assert list(add["responses"]["200"]["content"]) == ["application/x-ndjson"]


def test_tables_that_are_none(tmp_path: Path) -> None:
    assert "no such file" in openapi(tmp_path / "none.json", status=66).stderr.lower()
    bad = tmp_path / "bad.json"
    bad.write_text('{"abi": 1}')
    assert "process" in openapi(bad, status=65).stderr


def test_other_systems_are_told_where_it_runs() -> None:
    """The platform is all that is pretended."""
    program = (
        "import runpy, sys; sys.platform = 'darwin'; sys.argv = ['agentsim', '--help'];"
        "runpy.run_module('agentsim', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 69 and done.stdout == ""
    assert done.stderr.startswith("agentsim: this runs on Linux only") and "image" in done.stderr
