"""Route tables: which a host takes, and what it says of the others."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from agentsim.suite.hosts import DidNotStart, Host, Kind, Unsupported
from agentsim.suite.probes import FIXTURES, Probes

clause = pytest.mark.clause
Table = dict[str, Any]

GOOD: Table = {
    "abi": 1,
    "process": "demo",
    "command": ["demo"],
    "environment": {"A": "1"},
    "defaults": {"timeout": 30},
    "routes": [
        {"path": "/list", "method": "GET", "argv": ["list"]},
        {
            "path": "/add",
            "method": "POST",
            "argv": ["add", "--size={size}", "{force}", "--", "{url}"],
            "parameters": {
                "url": {"type": "string", "required": True},
                "size": {"type": "integer"},
                "force": {"type": "boolean", "flag": "--force"},
            },
        },
    ],
}
MISSING = object()


def changed(*changes: tuple[str, object]) -> Table:
    """The good table with values put at JSON pointers; MISSING takes one away."""
    table = copy.deepcopy(GOOD)
    for pointer, value in changes:
        *way, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
        inner: Any = table
        for part in way:
            inner = inner[part]
        if value is MISSING:
            del inner[last]
        else:
            inner[last] = value
    return table


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


# clause, what is changed, where the mistakes are
MISTAKES: list[tuple[str, Any, list[str]]] = [
    (
        "ABI-TABLE-2",
        [
            ("/routes/1/method", "FETCH"),
            ("/process", "a b"),
            ("/command", []),
            ("/routes/0/argv/0", "{x}y"),
        ],
        ["/command", "/process", "/routes/0/argv/0", "/routes/1/method"],
    ),
    *(
        ("ABI-TABLE-3", [("/abi", version), ("/routes", "other"), ("/new", 1)], ["/abi"])
        for version in (0, 2, "1", None, 1.5, True)
    ),
    ("ABI-TABLE-4", [("/tmeout", 1)], ["/tmeout"]),
    ("ABI-TABLE-4", [("/routes/0/tmeout", 1)], ["/routes/0/tmeout"]),
    ("ABI-TABLE-4", [("/routes/0/response", {"typ": "x/y"})], ["/routes/0/response/typ"]),
    (
        "ABI-TABLE-4",
        [("/routes/1/parameters/url/maxlength", 1)],
        ["/routes/1/parameters/url/maxlength"],
    ),
    ("ABI-TABLE-8", [("/process", "")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "x" * 65)], ["/process"]),
    ("ABI-TABLE-8", [("/process", "a/b")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "a.b")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "state")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "metrics")], ["/process"]),
    ("ABI-TABLE-8", [("/process", "help")], ["/process"]),
    ("ABI-TABLE-9", [("/command/0", "a/b")], ["/command/0"]),
    ("ABI-TABLE-9", [("/command/0", "./a")], ["/command/0"]),
    ("ABI-TABLE-9", [("/command/0", "")], ["/command/0"]),
    ("ABI-TABLE-11", [("/environment", {"ABI_X": "1"})], ["/environment/ABI_X"]),
    ("ABI-TABLE-11", [("/environment", {"1X": "1"})], ["/environment/1X"]),
    ("ABI-TABLE-11", [("/environment", {"A-B": "1"})], ["/environment/A-B"]),
    ("ABI-TABLE-12", [("/command/0", "a\0b")], ["/command/0"]),
    ("ABI-TABLE-12", [("/environment/A", "a\0b")], ["/environment/A"]),
    ("ABI-TABLE-12", [("/routes/0/argv/0", "a\0b")], ["/routes/0/argv/0"]),
    (
        "ABI-TABLE-12",
        [("/routes/0/working_directory", "/a\0b")],
        ["/routes/0/working_directory"],
    ),
    *(
        ("ABI-TABLE-13", [("/routes/0/path", path)], ["/routes/0/path"])
        for path in (
            "",
            "/",
            "list",
            "/a/",
            "/a//b",
            "/a/..",
            "/..a",
            "/a/./b",
            "/a b",
            "/é",
            "/%41",
        )
    ),
    ("ABI-TABLE-14", [("/routes/0/method", "FETCH")], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", "get")], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", "CONNECT")], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", [])], ["/routes/0/method"]),
    ("ABI-TABLE-14", [("/routes/0/method", ["GET", "GET"])], ["/routes/0/method/1"]),
    (
        "ABI-TABLE-16",
        [("/routes/1", {"path": "/list", "method": "PUT", "argv": [], "realm": "r"})],
        ["/routes/1"],
    ),
    *(
        (
            "ABI-TABLE-17",
            [("/routes/1/argv/1", element)],
            ["/routes/1/argv/1", "/routes/1/parameters/size"],
        )
        for element in (
            "x{size}",
            "{size}x",
            "-s={size}",
            "--S={size}",
            "--s{size}",
            "{}",
            "{",
            "}",
        )
    ),
    (
        "ABI-TABLE-18",
        [("/routes/1/argv", ["{url}", "--size={size}", "{force}"])],
        ["/routes/1/argv/0"],
    ),
    ("ABI-TABLE-18", [("/routes/1/argv/1", "{size}")], ["/routes/1/argv/1"]),
    (
        "ABI-TABLE-19",
        [("/routes/1/argv", ["--size={size}", "--", "{force}", "{url}"])],
        ["/routes/1/argv/2"],
    ),
    (
        "ABI-TABLE-19",
        [("/routes/1/argv", ["{force}", "--", "--size={size}", "{url}"])],
        ["/routes/1/argv/2"],
    ),
    ("ABI-TABLE-20", [("/routes/1/argv/2", "--force={force}")], ["/routes/1/argv/2"]),
    ("ABI-TABLE-21", [("/routes/0/argv/0", "--x={x}")], ["/routes/0/argv/0"]),
    ("ABI-TABLE-21", [("/routes/1/argv/1", "x")], ["/routes/1/parameters/size"]),
    *(
        (
            "ABI-TABLE-22",
            [
                ("/routes/0/parameters", {name: {"type": "integer"}}),
                ("/routes/0/argv", [f"--x={{{name}}}"]),
            ],
            [f"/routes/0/parameters/{name}"],
        )
        for name in ("timeout", "1x", "_x", "x" * 65)
    ),
    (
        "ABI-TABLE-23",
        [("/routes/1/parameters/url/in", "path"), ("/routes/1/parameters/size/in", "path")],
        ["/routes/1/parameters/url/in"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/force/flag", MISSING)],
        ["/routes/1/parameters/force"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/force/flag", "x")],
        ["/routes/1/parameters/force/flag"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/url", {"type": "enum"})],
        ["/routes/1/parameters/url"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/url", {"type": "enum", "values": ["a", "a"]})],
        ["/routes/1/parameters/url/values/1"],
    ),
    (
        "ABI-TABLE-24",
        [("/routes/1/parameters/url", {"type": "list", "items": {"type": "boolean"}})],
        ["/routes/1/parameters/url/items/type"],
    ),
    (
        "ABI-TABLE-24",
        [
            (
                "/routes/1/parameters/url",
                {"type": "list", "items": {"type": "enum", "values": ["a,b"]}},
            )
        ],
        ["/routes/1/parameters/url/items/values/0"],
    ),
    (
        "ABI-TABLE-25",
        [("/routes/1/parameters/url/pattern", "(a+)+$")],
        ["/routes/1/parameters/url/pattern"],
    ),
    ("ABI-TABLE-26", [("/defaults/argv", [])], ["/defaults/argv"]),
    ("ABI-TABLE-26", [("/defaults/path", "/x")], ["/defaults/path"]),
    ("ABI-TABLE-26", [("/defaults/help", "x")], ["/defaults/help"]),
    (
        "ABI-TABLE-30",
        [("/routes/0/response", {"delivery": "stream", "type": "text/plain"})],
        ["/routes/0"],
    ),
    (
        "ABI-TABLE-30",
        [("/routes/0/response", {"delivery": "stream", "max_bytes": (1 << 30) + 1})],
        ["/routes/0"],
    ),
    *(
        ("ABI-TABLE-31", [(f"/routes/0/{name}", value)], [f"/routes/0/{name}"])
        for name, values in {
            "timeout": (0, 86_401, -1, 0.0001, "1"),
            "idle_timeout": (0, 86_401),
            "grace": (-1, 3_601, 0.0001),
        }.items()
        for value in values
    ),
    *(
        ("ABI-TABLE-32", [("/routes/0/statuses", {code: status})], [f"/routes/0/statuses/{code}"])
        for code, status in {
            "1": 422,
            "2": 429,
            "3": 401,
            "4": 405,
            "5": 204,
            "6": 302,
            "0": 500,
            "256": 500,
            "01": 500,
            "x": 500,
            "7": 599,
        }.items()
    ),
    ("ABI-TABLE-33", [("/routes/0/max_body", 1)], ["/routes/0/max_body"]),
]


# what becomes of the good table's text: none of it is a table any more
NO_JSON = [
    (b'"abi"', b'/* no */ "abi"'),
    (b'"abi": 1', b'"abi": 1,'),
    (b"30", b"NaN"),
    (b"30", b"1e999"),
    (b"30", b"030"),
    (b'"demo"', b'"\\ud800"'),
    (b'"demo"', b'"\xff"'),
    (b'"demo"', b'"\xed\xa0\x80"'),
    (b'"demo"', b"'demo'"),
    (b'"demo"', b'"de\nmo"'),
    (b'{"abi"', b'\xef\xbb\xbf{"abi"'),
]
MONSTERS = [
    b" " * (1 << 20) + json.dumps(GOOD).encode(),
    b"[" * 33 + b"]" * 33,
    b"[" * 1_000_000,
    b'{"a":' * 200_000,
    b'"' + b"\\" * 1_000_000,
    b"9" * 1_000_000,
]
AGAIN = {"path": "/list", "method": ["PUT", "GET"], "argv": []}
# at the edge of what is allowed
TAKEN: list[tuple[str, Any]] = [
    ("ABI-TABLE-10", [("/command", ["/usr/bin/{x}", "{}", "--x={y}"])]),
    ("ABI-TABLE-13", [("/routes/0/path", "/A-z0/9._~/a..b/.x")]),
    ("ABI-TABLE-14", [("/routes/0/method", ["GET", "M-SEARCH", "HEAD"])]),
    ("ABI-TABLE-15", [("/routes/1", {**AGAIN, "method": ["PUT", "POST"]})]),
    ("ABI-TABLE-31", [("/routes/0/timeout", 0.001), ("/routes/0/grace", 0)]),
    ("ABI-TABLE-31", [("/routes/0/timeout", 86_400), ("/routes/0/grace", 3_600)]),
    ("ABI-TABLE-8", [("/process", "X" * 64)]),
    ("ABI-TABLE-32", [("/routes/0/statuses", {"0": 203, "255": 417, "1": 200})]),
]


def _cases() -> list[tuple[str, bytes, list[str]]]:
    """Clause, text and the places of the mistakes of every table that is asked about."""
    good = json.dumps(GOOD).encode()
    twice = good.replace(b'"path": "/list"', b'"path": "/x", "p\\u0061th": "/list"')
    return [
        *((name, json.dumps(changed(*changes)).encode(), at) for name, changes, at in MISTAKES),
        ("ABI-TABLE-5", good.replace(b'"abi": 1', b'"abi": 1, "abi": 1'), ["/abi"]),
        ("ABI-TABLE-5", twice, ["/routes/0/path"]),
        *(("ABI-TABLE-6", good.replace(old, new, 1), ["/"]) for old, new in NO_JSON),
        ("ABI-TABLE-15", json.dumps(changed(("/routes/1", AGAIN))).encode(), ["/routes/1"]),
        *((name, json.dumps(changed(*changes)).encode(), []) for name, changes in TAKEN),
        ("ABI-TABLE-1", good, []),
    ]


CASES = _cases()


def ask(kind: Kind, directory: Path, texts: Sequence[bytes]) -> list[str]:
    """What the host says of tables: one text each, empty if it would serve it."""
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
                "response": {"type": "text/html"},
                "statuses": {"4": 410},
            },
            {
                "path": "/limits",
                "method": "GET",
                "argv": ["proc", "--name=limits"],
                "realm": None,
                "response": {"max_bytes": 10_000},
                "limits": {"open_files": 32},
            },
            {
                "path": "/environ",
                "method": "GET",
                "argv": ["proc", "--name=environ"],
                "realm": None,
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
