"""`agentsim openapi` and `/openapi.json`: a valid description, of all that a table says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
import requests

from tests.conftest import Simulator

ROOT = Path(__file__).parents[2]
ROUTES = ROOT / "module" / "routes"
TABLES = (ROUTES / "packager.json", ROUTES / "provisioner.json")
AGENTSIM = (sys.executable, "-m", "agentsim")


def printed(*arguments: str | Path) -> Any:
    done = subprocess.run([*AGENTSIM, "openapi", *arguments], capture_output=True, check=True)
    document = json.loads(done.stdout)
    openapi_spec_validator.validate(document)
    return document


def written(directory: Path, *routes: dict[str, Any], **fields: Any) -> Path:
    """A table of these routes, of a command that is not run."""
    file = directory / "table.json"
    routes = tuple({"method": "GET", "argv": [], **route} for route in routes)
    table = {"abi": 1, "process": "table", "command": ["true"], "routes": routes, **fields}
    file.write_text(json.dumps(table))
    return file


@pytest.fixture(scope="module")
def document() -> Any:
    return printed(*TABLES)


def test_every_route_of_the_tables_here_is_described(document: Any) -> None:
    for file in TABLES:
        table = json.loads(file.read_bytes())
        for route in table["routes"]:
            methods = document["paths"][f"/{table['process']}{route['path']}"]
            operation = methods[route["method"].lower()]
            assert operation["summary"] == route["help"]
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert names == {*route.get("parameters", ()), "timeout"}
            realm = route.get("realm", table["defaults"]["realm"])
            assert operation["security"] == [{realm: []}]


def test_parameters_have_their_types_and_limits(document: Any) -> None:
    operation = document["paths"]["/packager/fetch"]["post"]
    ids, requires, parallel, _ = operation["parameters"]
    assert ids["required"]
    assert (ids["style"], ids["explode"], ids["schema"]["maxItems"]) == ("form", False, 64)
    assert ids["schema"]["items"]["pattern"] == r"^[!+\-.0-:<->@-Z_a-z]*$"
    assert requires["schema"] == {"type": "boolean"}
    assert parallel["schema"] == {"type": "integer", "minimum": 1, "maximum": 16}


def test_bodies_streams_and_problems_are_described(document: Any) -> None:
    operation = document["paths"]["/packager/upload"]["post"]
    (body,) = operation["requestBody"]["content"].values()
    upload = next(
        route
        for route in json.loads(TABLES[0].read_bytes())["routes"]
        if route["path"] == "/upload"
    )
    assert body["schema"]["maxLength"] == upload["max_body"]
    answers = operation["responses"]
    assert list(answers["200"]["content"]) == ["application/x-ndjson"]
    assert set(answers) == {
        *("200", "400", "401", "403", "404", "409", "413", "500", "502", "503", "504")
    }
    for status, answer in answers.items():
        if status > "401":
            assert list(answer["content"]) == ["application/problem+json"], status


def test_a_path_is_described_with_and_without_what_may_follow(tmp_path: Path) -> None:
    rest = {"in": "path", "type": "string", "characters": ["a-z", ".-"]}
    table = written(
        tmp_path,
        {"path": "/any", "argv": ["--", "{rest}"], "parameters": {"rest": rest}},
        {
            "path": "/any",
            "method": "POST",
            "argv": ["--", "{other}"],
            "parameters": {"other": rest | {"required": True}},
        },
    )
    paths = printed(table)["paths"]
    assert {path: set(item) for path, item in paths.items()} == {
        "/table/any": {"get"},
        "/table/any/{rest}": {"get", "post"},
    }
    (parameter, _) = paths["/table/any/{rest}"]["post"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("rest", "path", True)
    assert parameter["schema"]["pattern"] == r"^\.?[\-a-z][\-.a-z]*$"


def test_what_openapi_has_no_words_for_is_named(tmp_path: Path) -> None:
    table = written(tmp_path, {"path": "/a", "method": ["HEAD", "GET", "PURGE"]})
    item = printed(table)["paths"]["/table/a"]
    assert set(item) == {"description", "get"}
    assert item["description"].endswith(": HEAD, PURGE.")


def test_ids_and_schemes_are_names_of_one_thing_each(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        {"path": "/a.b", "realm": "one realm"},
        {"path": "/a_b", "realm": "one/realm", "principals": ["ops", "dev"]},
        {"path": "/c", "method": ["PUT", "DELETE"]},
    )
    document = printed(table)
    operations = [each for item in document["paths"].values() for each in item.values()]
    assert [each["operationId"] for each in operations] == [
        *("table_a_b", "table_a_b_2", "put_table_c", "delete_table_c")
    ]
    assert [each.get("security") for each in operations] == [
        *([{"one_realm": []}], [{"one_realm_2": []}], None, None)
    ]
    assert "ops, dev" in operations[1]["description"]


def test_statuses_are_those_of_the_route(tmp_path: Path) -> None:
    table = written(tmp_path, {"path": "/a", "statuses": {"0": 202, "3": 203, "66": 410}})
    answers = printed(table)["paths"]["/table/a"]["get"]["responses"]
    assert "200" not in answers
    assert answers["202"]["description"] == "The command exited with 0."
    assert "exited with 3." in answers["203"]["description"]
    assert "66 (EX_NOINPUT)" in answers["410"]["description"]


def test_a_table_that_is_no_good_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [*AGENTSIM, "openapi", written(tmp_path, {"path": "a"})], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (65, b"")
    assert b"/routes/0/path" in done.stderr


def test_the_simulator_serves_what_is_printed(
    simulator: Callable[..., Simulator], document: Any, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("ops word\n")
    credentials.chmod(0o600)
    guarded = simulator(*TABLES, f"--credentials={credentials}")
    answer = requests.get(f"{guarded.url}/openapi.json", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == document


def test_an_opened_host_asks_for_nothing(
    simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    opened = simulator(*TABLES)
    answer = requests.get(f"{opened.url}/openapi.json", timeout=30)
    openapi_spec_validator.validate(answer.json())
    assert "security" not in answer.text
    assert requests.post(f"{opened.url}/openapi.json", timeout=30).status_code == 404
    for headers in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = requests.get(f"{opened.url}/openapi.json", headers=headers, timeout=30)
        assert refused.status_code == 403, headers


def test_without_extras_there_is_nothing(simulator: Callable[..., Simulator]) -> None:
    strict = simulator(TABLES[0], "--no-page")
    assert requests.get(f"{strict.url}/openapi.json", timeout=30).status_code == 404
