"""The deciding core keeps every vector; a second implementation is held to the same files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentsim.core import answer as answers
from agentsim.core.access import Access, refuse_path, refuse_route
from agentsim.core.answer import Answer, answer, refusal_answer, status_of
from agentsim.core.argv import CommandLine, Refusal, build, refuse
from agentsim.core.environment import base_environment, environment
from agentsim.core.exit_record import exit_record
from agentsim.core.query_string import BadQuery, decode
from agentsim.core.route_match import Match, MethodNotAllowed, NotFound, match
from agentsim.core.route_table import Route, TableError, parse
from agentsim.core.status_names import REASON_PHRASES, signal_name

from tests.support.vectors import Case, cases, load, octets, outcome, patched, tables

SUBJECTS = ("access", "table", "match", "query", "argv", "answer", "record", "environment")
BASE_TABLE = load("table")["base"]
TABLES = {
    subject: tables(subject) for subject in ("access", "match", "argv", "answer", "environment")
}


def each(subject: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(c, id=c["name"]) for c in cases(subject)])


def test_count(record_property: Any) -> None:
    """Prints how many cases each file has; ranges count as one case, their numbers extra."""
    counts = {subject: len(cases(subject)) for subject in SUBJECTS}
    print(f"vectors: {sum(counts.values())} cases:", counts)
    assert sum(counts.values()) >= 500


@each("access")
def test_access(case: Case) -> None:
    principal = case.get("principal")
    if case["kind"] == "path":
        headers = {k.encode(): v.encode() for k, v in case.get("headers", {}).items()}
        names = case.get("names")
        access = Access(
            open=case.get("open", False),
            names=None if names is None else [name.lower().encode() for name in names],
        )
        refusal = refuse_path(case.get("realm"), principal, headers, access)
    else:
        route = next(r for r in TABLES["access"]["plain"].routes if r.path == case["route"])
        refusal = refuse_route(route, principal)
    expected = case["expect"]
    if expected is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.status == 403
        assert {"reason": refusal.reason, "detail": refusal.detail} == expected


@each("table")
def test_table(case: Case) -> None:
    if "text" in case:
        text = octets(case["text"])
    else:
        text = json.dumps(patched(BASE_TABLE, case["patch"])).encode()
    expected = case["expect"]
    if "problems" in expected:
        with pytest.raises(TableError) as caught:
            parse(text, "t.json")
        assert [[p.place, p.code] for p in caught.value.mistakes] == expected["problems"]
        assert all(p.file == "t.json" and p.reason for p in caught.value.mistakes)
        return
    table = parse(text, "t.json")
    for name, value in expected.get("table", {}).items():
        assert plain(getattr(table, name)) == value, name
    for index, fields in expected.get("routes", {}).items():
        for name, value in fields.items():
            assert plain(getattr(table.routes[int(index)], name)) == value, name


def plain(value: Any) -> Any:
    """A field of a table or a route as vectors write it."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return {str(key): item for key, item in value.items()}
    if hasattr(value, "umask"):
        names = value.__slots__
        return {n: getattr(value, n) for n in names if getattr(value, n) is not None}
    return value


@each("match")
def test_match(case: Case) -> None:
    served = [TABLES["match"][name] for name in case["tables"]]
    found = match(served, case["method"], octets(case["path"]))
    expected = case["expect"]
    if "route" in expected:
        assert isinstance(found, Match)
        table = next(t for t in served if t.process == expected["process"])
        assert found.route is table.routes[expected["route"]]
        assert found.rest == octets(expected["rest"])
    elif "allowed" in expected:
        assert found == MethodNotAllowed(tuple(expected["allowed"]), expected["realm"])
    else:
        assert expected == {"not_found": True}
        assert found == NotFound()


@each("query")
def test_query(case: Case) -> None:
    found = decode(octets(case["query"]))
    if "bad" in case["expect"]:
        assert found == BadQuery()
    else:
        assert found == {octets(k): octets(v) for k, v in case["expect"]["pairs"]}


@each("argv")
def test_argv(case: Case) -> None:
    table = TABLES["argv"][case["table"]]
    route = next(r for r in table.routes if r.path == case["route"])
    query = {octets(key): octets(value) for key, value in case.get("query", [])}
    built = build(route, query, octets(case.get("rest", "")))
    expected = case["expect"]
    if "arguments" in expected:
        arguments = [octets(argument) for argument in expected["arguments"]]
        assert built == CommandLine(arguments, expected.get("timeout", 60))
    else:
        assert isinstance(built, Refusal)
        assert [built.status, built.reason, built.detail] == [
            expected["status"],
            expected["reason"],
            expected["detail"],
        ]


@each("answer")
def test_answer(case: Case) -> None:
    expected = case["expect"]
    table = TABLES["answer"][case.get("table", "plain")]
    route = next(r for r in table.routes if r.path == case.get("route", "/whole"))
    if case["kind"] == "exit-statuses":
        first, last = case["exit_codes"]
        for code in range(first, last + 1):
            ended = outcome({"reason": "exit", "exit_code": code})
            assert status_of(route, ended) == expected["status"], code
        return
    if case["kind"] == "signals":
        names = {int(number): name for number, name in expected["names"].items()}
        assert sorted(names) == list(range(1, 65))
        for number, name in names.items():
            ended = outcome({"reason": "signal", "signal": number})
            assert status_of(route, ended) == expected["status"]
            assert signal_name(number) == name
        return
    if case["kind"] == "reason-phrases":
        assert {str(k): v for k, v in REASON_PHRASES.items()} == expected["phrases"]
        return
    given = _answer(case, route)
    body = expected["body"]
    assert given.status == expected["status"]
    assert given.headers == [tuple(header) for header in expected["headers"]]
    assert given.body == (None if body is None else octets(body))


def _answer(case: Case, route: Route) -> Answer:
    match case["kind"]:
        case "outcome":
            stdout = case["stdout"]
            return answer(
                route, outcome(case["outcome"]), None if stdout is None else octets(stdout)
            )
        case "stream":
            return answers.stream_answer(route)
        case "method-not-allowed":
            return answers.method_not_allowed(tuple(case["allowed"]), case["method"])
        case "refusal":
            refusal = refuse(case["reason"], case["detail"])
        case "body-too-large":
            refusal = answers.body_too_large(route)
        case "busy":
            refusal = answers.busy(route)
        case "body-not-kept":
            refusal = answers.body_not_kept(case["detail"])
        case "shutting-down":
            refusal = answers.shutting_down()
        case kind:
            raise AssertionError(kind)
    return refusal_answer(refusal, case["request_id"])


@each("record")
def test_record(case: Case) -> None:
    line = exit_record(outcome(case["outcome"]))
    assert line == octets(case["expect"])
    assert json.loads(line)["record"] == "exit"


@each("environment")
def test_environment(case: Case) -> None:
    table = TABLES["environment"][case["table"]]
    route = next(r for r in table.routes if r.path == case["route"])
    given = environment(
        base_environment(table, case.get("overrides", {})),
        route,
        method=case["method"],
        request_id=case["request_id"],
        deadline=case["deadline"],
        principal=case["principal"],
    )
    assert given == case["expect"]
