"""What must hold of the deciding core for every input, not only for those of the vectors."""

from __future__ import annotations

import copy
import json
import string
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from agentsim.core.answer import answer
from agentsim.core.argv import Refusal, build
from agentsim.core.argv_template import Literal, Value
from agentsim.core.exit_record import exit_record
from agentsim.core.formatting import stderr_tail
from agentsim.core.outcome import Outcome
from agentsim.core.query_string import BadQuery, decode
from agentsim.core.route_match import Match, match
from agentsim.core.route_table import Route, Table, TableError, parse
from agentsim.core.status_names import REASON_PHRASES, REASONS
from agentsim.core.value_types import Boolean
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.vectors import DIRECTORY, cases, load, patched, tables

SCHEMA = json.loads(files("agentsim.core").joinpath("route-table.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
BASE: dict[str, Any] = load("table")["base"]
ARGV_TABLES = tables("argv")
ROUTES = [route for table in ARGV_TABLES.values() for route in table.routes]
FULL: dict[str, Any] = {
    **BASE,
    "defaults": {
        "stdin": "body",
        "max_body": 10,
        "timeout": 1.5,
        "idle_timeout": 1,
        "grace": 0,
        "concurrency": 2,
        "queue": {"length": 1, "seconds": 1},
        "disconnect": "finish",
        "response": {"type": "text/plain; charset=utf-8", "delivery": "whole", "max_bytes": 9},
        "limits": {"cpu": 1, "nice": 1, "umask": "022", "open_files": 9},
        "working_directory": "/",
        "realm": "r",
        "statuses": {"1": 404},
    },
}

# Values at the edges of what fields take, and values that no field takes.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([0.001, 0.5, 1.0, 86400, 86401, 2**53, 2**63, -(2**70), 1e300]),
    st.sampled_from(
        ["", "a", "-x", "--x", "--", "{url}", "--a={url}", "{", "GET", "/a", "/..", "\0"]
    ),
    st.text(max_size=4),
    st.lists(st.sampled_from(["a", "GET", "--", "{url}", 1, None, "b,c"]), max_size=3),
    st.dictionaries(st.sampled_from(["type", "length", "cpu", "1", "x"]), st.integers(0, 3)),
)


def attempt(text: bytes) -> Table | TableError:
    try:
        return parse(text, "t.json")
    except TableError as refused:
        error = refused
    assert error.mistakes
    assert all(p.code and p.reason and "\n" not in str(p) for p in error.mistakes)
    return error


@given(st.binary(max_size=200))
def test_parse_takes_any_bytes(text: bytes) -> None:
    attempt(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "path", "argv", "a"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_parse_takes_any_json(value: Any) -> None:
    attempt(json.dumps(value).encode())


@given(st.data())
@settings(max_examples=300)
def test_parse_takes_any_cut_and_change_of_a_table(data: st.DataObject) -> None:
    text = bytearray(json.dumps(FULL).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 5))
        text[place : place + length] = data.draw(st.binary(max_size=4))
    attempt(bytes(text))


def places(value: Any) -> list[list[str | int]]:
    """Every place in a JSON value but the value itself."""
    found: list[list[str | int]] = []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        found.append([key])
        found.extend([key, *deeper] for deeper in places(inner))
    return found


@given(st.data())
@settings(max_examples=600)
def test_the_schema_accepts_what_parse_accepts(data: st.DataObject) -> None:
    table = copy.deepcopy(FULL)
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(places(table)))
        target: Any = table
        for key in parents:
            target = target[key]
        if isinstance(last, str) and data.draw(st.booleans()):
            del target[last]
            last = data.draw(st.sampled_from([last, last + "x", "help", "realm"]))
        target[last] = data.draw(ODD)
    if not isinstance(attempt(json.dumps(table).encode()), TableError):
        VALIDATOR.validate(table)


def test_the_schema_agrees_with_every_vector() -> None:
    """All valid tables fit the schema; and where the schema can see a mistake, parse does too."""
    seen = 0
    for case in cases("table"):
        if "patch" in case:
            table = patched(BASE, case["patch"])
            valid = VALIDATOR.is_valid(table)
            assert valid or "problems" in case["expect"], case["name"]
            seen += not valid
    print(f"mistakes that the schema sees: {seen}")
    assert seen > 200


def test_every_table_of_the_project_is_valid() -> None:
    root = DIRECTORY.parent.parent
    found = [*root.glob("module/routes/*.json"), *root.glob("fixtures/tables/*.json")]
    assert found
    for path in found:
        table = path.read_bytes().replace(b"@DIR@", b"/tmp")  # the suite's place for its programs
        parse(table, str(path))
        VALIDATOR.validate(json.loads(table))


@pytest.mark.parametrize("size", [1000, 1_000_000])
@pytest.mark.parametrize(
    "part", [b"[", b'{"a":', b'"', b'\\"', b"9", b"-", b"1e", b"\xff", b'"\\u']
)
def test_parse_is_bounded(part: bytes, size: int) -> None:
    assert isinstance(attempt(part * (size // len(part))), TableError)


# -- requests ---------------------------------------------------------------------------------

NAMES = sorted({name for route in ROUTES for name in route.by_name} | {b"timeout"})
VALUES = st.one_of(
    st.binary(max_size=12),
    st.text(alphabet=string.printable, max_size=12).map(str.encode),
    st.sampled_from([b"-x", b"--root=/", b"--", b"1", b"-1", b"http://h", b"a,b", b"", b"\xc3"]),
)


@given(
    st.sampled_from(ROUTES),
    st.dictionaries(st.sampled_from(NAMES) | st.binary(max_size=3), VALUES, max_size=3),
    VALUES,
)
@settings(max_examples=1000)
def test_no_value_becomes_an_option(route: Route, query: dict[bytes, bytes], rest: bytes) -> None:
    """Whatever is asked: what stands before `--` is of the table, or tied to an option of it."""
    built = build(route, query, rest)
    if isinstance(built, Refusal):
        assert built.status == REASONS[built.reason][0]
        assert b"\n" not in built.detail.encode()
        return
    assert 0 < built.timeout <= route.timeout
    literals = {e.text for e in route.argv if isinstance(e, Literal)}
    prefixes = tuple(e.prefix for e in route.argv if isinstance(e, Value) and e.prefix)
    flags = {p.type.flag for p in route.parameters.values() if isinstance(p.type, Boolean)}
    for argument in built.arguments:
        assert b"\0" not in argument
        if argument == b"--":
            break
        assert argument in literals | flags or (prefixes and argument.startswith(prefixes))


@given(st.sampled_from(ROUTES), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_arguments_do_not_depend_on_the_order_of_keys(
    route: Route, query: dict[bytes, bytes]
) -> None:
    assert build(route, query, b"") == build(route, dict(reversed(query.items())), b"")


@given(st.binary(max_size=60))
def test_decode_takes_any_bytes(query: bytes) -> None:
    decoded = decode(query)
    if not isinstance(decoded, BadQuery):
        assert build(ROUTES[0], decoded, b"")


@given(st.text(alphabet="/.a%6+", max_size=12) | st.text(max_size=8))
def test_match_takes_any_path(path: str) -> None:
    found = match(list(ARGV_TABLES.values()), "GET", path.encode())
    if isinstance(found, Match):
        assert path.encode().rstrip(b"/").endswith(found.rest)


@given(st.binary(max_size=64), st.integers(4080, 4110), st.binary(max_size=12))
def test_the_end_of_stderr_is_bounded_utf8(front: bytes, size: int, end: bytes) -> None:
    whole = front + b"x" * size + end
    tail = stderr_tail(whole)
    assert len(tail.encode()) <= 4096
    assert stderr_tail(whole[-4097:]) == tail
    assert tail.endswith(end.decode("utf-8", "surrogateescape").translate(_INVALID)[-1365:])


_INVALID = dict.fromkeys(range(0xDC80, 0xDD00), "\N{REPLACEMENT CHARACTER}")


@given(
    st.sampled_from(sorted(REASONS)),
    st.integers(0, 255) | st.none(),
    st.integers(1, 64),
    st.binary(max_size=50),
    st.floats(0, 1e6),
)
def test_answers_and_records_are_json(
    reason: str, code: int | None, signal: int, stderr: bytes, seconds: float
) -> None:
    ended = Outcome(
        request_id="r",
        reason=reason,
        exit_code=code,
        signal=None if code is not None else signal,
        seconds=seconds,
        timeout=1,
        stderr=stderr,
        detail="why",
    )
    given_answer = answer(ROUTES[0], ended, b"out")
    assert given_answer.status in REASON_PHRASES
    assert given_answer.body is not None
    assert dict(given_answer.headers)["Content-Length"] == str(len(given_answer.body))
    line = exit_record(ended)
    record = json.loads(line)
    assert line.count(b"\n") == 1
    assert record["stderr"] == stderr_tail(stderr)
    if given_answer.status >= 400:
        problem = json.loads(given_answer.body)
        assert problem["status"] == given_answer.status
        assert problem.get("stderr", "") == record["stderr"]
