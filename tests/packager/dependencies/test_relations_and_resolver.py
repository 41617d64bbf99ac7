"""Versions, ranges, and which packages may be together: decided, and explained in words."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.base.errors import Conflict, DataError, NotFound, UsageError
from packager.dependencies.relations import check, replaced
from packager.dependencies.resolver import resolve
from packager.package.package_id import VERSION
from packager.package.pkginfo import parse_pkginfo
from packager.package.versions import contains, key, parse_range

HASH = "ffddcfb53168d42f92e4771c6f8a8a9a818fd6b8"
ORDER = [
    *("0.9", "0.22.0", "1.0dev", "1.0alpha1", "1.0beta", "1.0rc1", "1.0rc2", "1.0", "1.0a"),
    *("1.0_hotfix2", "1.0.1", "1.2", "v1.10", "2", "10.0"),
]
versions = st.text(VERSION, min_size=1, max_size=12)


def test_versions_in_order() -> None:
    keys = [key(version) for version in ORDER]
    assert None not in keys
    assert all(one < other for one, other in itertools.pairwise(keys) if one and other)
    assert key("1") == key("1.0") == key("1.0.0") == key("v1") == key("1:0")


def test_versions_of_any_length_have_an_order() -> None:
    longest = "9" * 5000
    assert contains(parse_range(f"<{longest}0"), longest)
    assert contains(parse_range("=" + "0" * 5000), "0" * 5000)
    assert key("0" * 5000 + "1") == key("1")


@pytest.mark.parametrize("version", [HASH, "0" * 40, "a" * 64, "setup", "justmesos", "_1", "v"])
def test_versions_without_an_order(version: str) -> None:
    assert key(version) is None
    assert contains(parse_range(f"={version}"), version)
    assert contains(parse_range("!=1.0"), version)
    assert contains(parse_range("*"), version)
    assert not contains(parse_range(">=0"), version)
    with pytest.raises(ValueError, match="has no order"):
        parse_range(f">={version}")


@given(st.lists(versions, max_size=8))
def test_the_order_is_one(some: list[str]) -> None:
    def compare(one: str, other: str) -> int:
        if contains(parse_range(f"<{other}"), one):
            return -1
        return 1 if contains(parse_range(f">{other}"), one) else 0

    ordered = [each for each in some if key(each) is not None]
    ordered.sort(key=cmp_to_key(compare))
    for at, one in enumerate(ordered):
        for other in ordered[at:]:
            assert compare(one, other) <= 0
            assert contains(parse_range(f">={one}"), other)


@pytest.mark.parametrize("text", ["", ">", ">=", "1.0,", "~1", "> =1", ">=1 <2", "1.0-1", "=>1"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a comparison"):
        parse_range(text)


def test_ranges() -> None:
    told = parse_range(">=1.2, <2,!=1.7")
    inside = [v for v in ("1.1", "1.2", "1.7", "1.10", "2.0rc1", "2", "3") if contains(told, v)]
    assert inside == ["1.2", "1.10", "2.0rc1"]
    assert parse_range("1.0") == (("=", "1.0"),)


@pytest.mark.parametrize(
    "info",
    [
        {"requires": [{"name": "a", "version": ">=1, <2"}]},
        {"requires": [{"name": "a", "version": "*", "variant": None}]},
        {"conflicts": ["a", {"name": "b", "version": "<2"}]},
        {"provides": ["mail", {"name": "sql", "version": "8.0"}]},
        {"replaces": ["a"], "description": "x", "licence": "MIT", "size": 0},
    ],
)
def test_new_keys_are_taken(info: Mapping[str, object]) -> None:
    assert parse_pkginfo(json.dumps(info).encode()) == (info, [])


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "123456789012345678", "-12345678901234567", "9" * 5000]
)
def test_numbers_that_an_index_could_not_have_are_refused(number: str) -> None:
    with pytest.raises(DataError, match=r"pkginfo\.json: .*(too large|digits)"):
        parse_pkginfo(f'{{"x": [{number}]}}'.encode())


@pytest.mark.parametrize(
    "info",
    [
        {"requires": [{"name": "a"}]}, {"requires": [{"name": "a", "version": "~1"}]},
        {"requires": [{"name": "a", "version": 1}]}, {"requires": [{"version": "1"}]},
        {"requires": [{"name": "a", "version": "1", "colour": "x"}]},
        {"conflicts": "a"}, {"conflicts": ["a--1"]}, {"conflicts": [{"name": "a", "variant": "x"}]},
        {"provides": [{"name": "a", "version": ">=1"}]}, {"replaces": [None]},
        {"description": 1}, {"licence": None}, {"size": -1}, {"size": True}, {"size": 1.5},
    ],
)  # fmt: skip
def test_new_keys_are_checked_when_a_package_is_added(info: Mapping[str, object]) -> None:
    with pytest.raises(DataError, match=rf"pkginfo\.json: {next(iter(info))}: "):
        parse_pkginfo(json.dumps(info).encode())


Packages = Mapping[str, dict[str, Any]]


@pytest.mark.parametrize(
    ("packages", "reasons"),
    [
        ({"a--1": {"requires": ["a", "b"]}, "b--1": {}}, []),
        (
            {"a--1": {"requires": ["b"]}},
            ["a--1 requires b, but nothing in the set is or provides b: add it"],
        ),
        (
            {"a--1": {}, "a--2": {}},
            ["a--1 and a--2 are versions of one package, a: leave only one of them"],
        ),
        (
            {"a--1": {"requires": [{"name": "b", "version": ">=2"}]}, "b--1.5": {}},
            ["a--1 requires b >=2, but the set has b--1.5: take another version"],
        ),
        ({"a--1": {"requires": ["sql"]}, "b--1": {"provides": ["sql"]}}, []),
        (
            {
                "a--1": {"requires": [{"name": "sql", "version": ">=8"}]},
                "b--1": {"provides": ["sql"]},
                "c--1": {"provides": [{"name": "sql", "version": "8.1"}]},
            },
            [],
        ),
        # pkgpanda's packages do not say which variant they are, so any will do.
        ({"a--1": {"requires": [{"name": "b", "variant": "x"}]}, "b--1": {}}, []),
        (
            {
                "a--1": {"requires": [{"name": "b", "variant": "x"}]},
                "b--1": {"variant": None},
            },
            ["a--1 requires b of the variant x, but the set has b--1 of the default variant"],
        ),
        (
            {"a--1": {"conflicts": [{"name": "b", "version": "<2"}]}, "b--1": {}},
            ["a--1 is in conflict with b <2: it can't be active together with b--1"],
        ),
        ({"a--1": {"conflicts": [{"name": "b", "version": "<2"}]}, "b--2": {}}, []),
        ({"a--1": {"conflicts": ["sql"], "provides": ["sql"]}}, []),
        (
            {"a--1": {"conflicts": ["sql"]}, "b--1": {"provides": ["sql"]}},
            ["a--1 is in conflict with sql: it can't be active together with b--1"],
        ),
        (
            {"a--1": {"replaces": ["b"]}, "b--1": {}},
            ["a--1 replaces b: it can't be active together with b--1"],
        ),
    ],
)
def test_sets(packages: Packages, reasons: list[str]) -> None:
    assert check(packages) == reasons


def test_what_a_package_replaces() -> None:
    facts = {"replaces": [{"name": "b", "version": "<2"}, "c"]}
    assert replaced(facts, ["b--1", "c--x", "d--1"]) == {"b--1", "c--x"}
    assert replaced(facts, ["b--2"]) == set()


STORE: Packages = {
    "web--1.0": {"requires": [{"name": "db", "version": ">=2"}]},
    "web--2.0": {"requires": [{"name": "db", "version": ">=2"}, "lib"]},
    "db--1.5": {}, "db--2.0": {}, "db--2.1": {"conflicts": ["lib"]}, "lib--1": {},
    "api--1": {"requires": [{"name": "db", "version": "<2"}]},
    "app--1": {"requires": ["sql"], "conflicts": ["pg"]},
    "mysql--8": {"provides": [{"name": "sql", "version": "8"}]}, "pg--1": {"provides": ["sql"]},
    f"conf--{HASH}": {}, "conf--setup": {}, "lone--1": {"requires": ["nowhere"]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "active", "found"),
    [
        (["web"], [], ["db--2.0", "lib--1", "web--2.0"]),
        (["web<2"], [], ["db--2.1", "web--1.0"]),
        (["web", "db=2.1"], [], ["db--2.1", "web--1.0"]),
        (["web--1.0"], ["db--2.0"], ["db--2.0", "web--1.0"]),
        (["db"], ["db--2.0"], ["db--2.1"]),
        (["app"], [], ["app--1", "mysql--8"]),
        (["conf"], ["conf--setup"], ["conf--setup"]),
        (["conf--setup"], [], ["conf--setup"]),
    ],
)
def test_resolving(wanted: list[str], active: list[str], found: list[str]) -> None:
    assert resolve(wanted, STORE, active) == found


@pytest.mark.parametrize(
    ("wanted", "kind", "words"),
    [
        (["web", "api"], Conflict, "api--1 requires db <2; web--2.0 requires db >=2"),
        (["app", "pg"], Conflict, "app--1 can't be together with pg"),
        (["conf"], Conflict, "have no order among them: ask for one by its id"),
        (["lone"], Conflict, "lone--1 requires nowhere (there is no such package)"),
        (["nowhere"], NotFound, "no package is or provides nowhere"),
        (["web>=3"], NotFound, "there is only web--1.0, web--2.0"),
        (["web>"], UsageError, "not a comparison"),
        (["-web"], UsageError, "neither an id nor a name"),
    ],
)
def test_what_can_not_be_resolved_is_explained(
    wanted: list[str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        resolve(wanted, STORE)
    assert words in str(caught.value)


def test_a_set_of_ids_needs_no_resolver() -> None:
    """What a request starts: neither the library nor anything else that is slow to import."""
    code = (
        "import sys;"
        "from packager.dependencies import relations;"
        "from packager.host import apply, host_plan;"
        "from packager.package import declarations;"
        "relations.check({'a--1': {'requires': ['a']}});"
        "slow = {'resolvelib', 'dataclasses', 'typing', 'subprocess', 'pathlib'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
