"""Route tables: which a host takes, and what it says of the others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import pytest

from agentsim.suite.hosts.kinds import DidNotStart, Host, Kind, Unsupported
from agentsim.suite.hosts.probe_files import FIXTURES, Probes
from agentsim.suite.tests.table_cases import CASES, GOOD, MONSTERS, changed

clause = pytest.mark.clause


@clause("ABI-TABLE-1")
def test_a_host_does_not_start_with_a_mistake(
    own_host: Callable[..., Host], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "table-under-test.json"
    file.write_text(json.dumps(changed(("/routes/0/timeout", 0), ("/routes/1/pth", "/x"))))
    with pytest.raises(DidNotStart) as said:
        own_host(tables=[file])
    for words in (str(file), "/routes/0/timeout", "/routes/1/pth"):
        assert words in str(said.value)


def ask(kind: Kind, directory: Path, texts: Sequence[bytes]) -> list[str]:
    """What the host says of tables: one text each, empty if it would serve it."""
    directory.chmod(0o755)
    files = [directory / f"table-{number}.json" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_bytes(text)
    try:
        return kind.check(files)
    except Unsupported as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def verdicts(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the host says of all the cases: it is asked once."""
    return ask(kind, tmp_path_factory.mktemp("tables"), [text for _, text, _ in CASES])


@pytest.mark.parametrize(
    ("number", "places"),
    [
        pytest.param(number, places, marks=clause(name, "ABI-TABLE-1"), id=f"{name}-{number}")
        for number, (name, _, places) in enumerate(CASES)
    ],
)
def test_a_table_is_judged(verdicts: list[str], number: int, places: list[str]) -> None:
    lines = verdicts[number].splitlines()
    assert len(lines) == len(places), verdicts[number]
    for line, place in zip(lines, places, strict=True):
        file, _, reason = line.partition(f": {place}: ")
        assert file.endswith(f"table-{number}.json"), f"{place} is not in {line!r}"
        assert reason.strip()


@clause("ABI-TABLE-7")
def test_a_monstrous_table_is_refused_soon(kind: Kind, tmp_path: Path) -> None:
    started = time.monotonic()
    for said in ask(kind, tmp_path, MONSTERS):
        assert len(said.splitlines()) == 1
    # One second each, and a program starts on a busy machine.
    assert time.monotonic() - started < len(MONSTERS) + 5


@clause("ABI-TABLE-27", "ABI-TABLE-28", "ABI-TABLE-29")
def test_policies_add_up(own_host: Callable[..., Host], probes: Probes, tmp_path: Path) -> None:
    probe = f"{probes.directory}/commands/probe"
    say = ["say", "--stdout={stdout}", "--code={code}"]
    parameters = {"stdout": {"type": "string"}, "code": {"type": "integer"}}
    common = {"method": "GET", "argv": say, "parameters": parameters}
    table = {
        "abi": 1,
        "process": "policy",
        "command": ["/bin/sh", probe],
        "defaults": {
            "timeout": 7,
            "realm": "mesos-agent-readwrite",
            "idle_timeout": 0.3,
            "response": {"type": "text/plain", "max_bytes": 5},
            "statuses": {"3": 404, "4": 409},
            "limits": {"core": 0, "open_files": 64},
        },
        "routes": [
            {"path": "/as-it-is", **common},
            {
                "path": "/merged",
                **common,
                "realm": None,
                "idle_timeout": None,
                "response": {"type": "text/html"},
                "statuses": {"4": 410},
            },
            {
                "path": "/limits",
                "method": "GET",
                "argv": ["proc", "--name=limits"],
                "realm": None,
                "idle_timeout": None,
                "response": {"max_bytes": 10_000},
                "limits": {"open_files": 32},
            },
            {
                "path": "/environ",
                "method": "GET",
                "argv": ["proc", "--name=environ"],
                "realm": None,
                "idle_timeout": None,
                "response": {"max_bytes": 10_000},
            },
            {
                "path": "/patient",
                "method": "GET",
                "argv": ["sleep"],
                "realm": None,
                "timeout": 1,
                "idle_timeout": None,
            },
            {"path": "/silent", "method": "GET", "argv": ["sleep"], "realm": None},
        ],
    }
    tmp_path.chmod(0o755)
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(table))
    host = own_host(tables=[file])
    assert host.get("/policy/as-it-is").status == 401
    assert host.get("/policy/merged", {"stdout": "12345"}).head.get("Content-Type") == "text/html"
    assert host.get("/policy/merged", {"stdout": "123456"}).reason == "output-limit"
    assert host.get("/policy/merged", {"code": 3}).status == 404
    assert host.get("/policy/merged", {"code": 4}).status == 410
    limits = host.get("/policy/limits").text
    assert limits.count(" 32 ") >= 2 and "Max core file size        0 " in limits
    started = time.time()
    variables = host.get("/policy/environ").text.split("\0")
    deadline = next(float(v.partition("=")[2]) for v in variables if v.startswith("ABI_DEADLINE"))
    assert started + 6 < deadline < time.time() + 8
    assert host.get("/policy/patient").reason == "timeout"
    assert host.get("/policy/silent").reason == "idle-timeout"


@clause("ABI-TABLE-29")
def test_without_a_word_there_are_these_policies(host: Host) -> None:
    answer = host.get("/broken-place/directory", {"timeout": "x"})
    assert answer.status == 400
    answer = host.get("/plain/true")
    assert answer.head.get("Content-Type") == "application/json"
    assert host.get("/appearing/run", headers=[("Content-Length", "1")]).status == 413
    assert host.post("/guarded/argv", b"").status in (401, 400)


@clause("ABI-TABLE-34")
def test_every_table_that_is_taken_fits_the_schema(probes: Probes) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    core = resources.files("agentsim.core")
    schema = json.loads(core.joinpath("route-table.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for table in probes.tables:
        validator.validate(json.loads(table.read_bytes()))
    validator.validate(GOOD)


@clause("ABI-TABLE-35")
def test_two_tables_of_one_process(
    own_host: Callable[..., Host], probes: Probes, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    again = tmp_path / "again.json"
    again.write_bytes((FIXTURES / "tables" / "plain.json").read_bytes())
    with pytest.raises(DidNotStart) as said:
        own_host(tables=[probes.directory / "tables" / "plain.json", again])
    assert "plain" in str(said.value)
