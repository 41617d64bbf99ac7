"""`rollout`'s strategies: what they mean, and what is wrong with them, all at once by place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packager.base.documents.parser import parse
from packager.base.errors import DataError, PackagerError
from rollout.core.amounts import ALL, Count, Percentage
from rollout.core.strategy import AtStart, DrainMode, HttpCheck, Lost, OnFailure, Spread
from rollout.strategy.durations import seconds, shown
from rollout.strategy.reader import KIND, read_strategy, strategy

MANUAL = Path(__file__).parents[3] / "docs" / "rollout.md"
LEAST: dict[str, Any] = {
    "rollout": 1,
    "name": "web",
    "profile": "web.yaml",
    "masters": ["http://m1:5050"],
    "select": {},
    "batches": [1, "100%"],
    "max_unavailable": 1,
    "max_failures": 0,
}


def rollout(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollout", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def reasons(**changed: Any) -> list[str]:
    document = {name: each for name, each in {**LEAST, **changed}.items() if each is not None}
    with pytest.raises(DataError) as refused:
        strategy(document, "s.yaml")
    return str(refused.value).removeprefix("s.yaml: ").split("\n")


def test_the_manuals_example_means_what_it_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", MANUAL.read_text(encoding="utf-8"), re.M | re.S)
    path = tmp_path / "s.yaml"
    path.write_text(text)
    _, found = read_strategy(str(path))
    assert found.masters == ("zk://z1:2181,z2:2181/mesos",)
    assert found.select.attributes == {"role": "web"}
    assert found.select.at_least == 200
    assert (found.order.spread, found.order.seed) == (Spread.ZONE, 7)
    percent = [Percentage(each) for each in (1_000, 10_000, 50_000)]
    assert found.batches == (Count(1), *percent, ALL)
    assert (found.max_unavailable, found.max_failures) == (Percentage(5_000), Count(2))
    assert found.promote.manual and found.promote.after == 1
    assert (found.concurrency, found.attempts, found.stage_concurrency) == (100, 2, 50)
    assert (found.drain.mode, found.drain.grace, found.drain.deadline) == (
        DrainMode.NONE,
        600,
        1800,
    )
    assert (found.soak, found.deadline.progress, found.deadline.rollout) == (300, 3600, 86400)
    assert (found.absent.at_start, found.absent.lost) == (AtStart.EXCLUDE, Lost.FAIL)
    assert found.on_failure is OnFailure.PAUSE


def test_json_is_read_as_well_and_whole_numbers_are_whole() -> None:
    document = {**LEAST, "attempts": 3.0, "select": {"attributes": {"weight": 2.5, "n": 4.0}}}
    found = strategy(parse(json.dumps(document).encode(), "s", KIND), "s")
    assert repr(found.attempts) == "3"
    assert found.select.attributes == {"weight": "2.5", "n": "4"}


def test_gates() -> None:
    gate = {"http": [{"url": "http://{hostname}/", "contains": "ok"}], "command": ["check"]}
    found = strategy({**LEAST, "gate": gate}, "s").gate
    assert found.http == (HttpCheck("http://{hostname}/", 200, "ok"),)
    assert found.command == ("check",)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"name": None, "select": None}, ["the strategy: name and select must be there"]),
        ({"nmae": "x"}, ["the strategy: nmae is not known; there are rollout, name"]),
        ({"rollout": 2}, ["rollout: it should be the version of this format: 1"]),
        ({"soak": 5}, ["soak: it should be a time with its unit"]),
        ({"soak": "5 minutes"}, ["soak: it should be a time with its unit"]),
        ({"soak": "s"}, ["soak: it should be a time with its unit"]),
        ({"masters": ["http://user:secret@m:5050"]}, ["masters: it should be zk://"]),
        ({"masters": "zk://u:secret@z/mesos"}, ["masters: it should be zk://"]),
        ({"masters": "http://m:5050"}, ["masters: it should be zk://"]),
        ({"concurrency": 0}, ["concurrency: it should be a number of hosts, from 1"]),
        ({"max_failures": "5"}, ["max_failures: it should be a number of hosts, or a percentage"]),
        ({"max_failures": "200%"}, ["max_failures: it should be a number of hosts, or a percent"]),
        ({"batches": [5, 3, "100%"]}, ["batches[1]: it is not more than the one before"]),
        ({"batches": [1, 5]}, ["batches[1]: the last one should be 100%"]),
        ({"batches": [0, "100%"]}, ["batches[0]: it has no host"]),
        ({"max_unavailable": "5%"}, ["select.at_least: it must be there, since there are percent"]),
        ({"drain": {"grace": "999999d"}}, ["drain.grace: it is more than 365d"]),
        ({"soak": "366d"}, ["soak: it is more than 365d"]),
        ({"promote": {"manual": True, "after": 2}}, ["promote.after: no batch comes after"]),
        (
            {"select": {"hostnames": ["a"], "exclude": ["a"]}},
            ["select.exclude: a is among the hostnames too"],
        ),
        (
            {"drain": {"mode": "kill", "grace": 5}, "gate": {"http": [{"status": 99}]}},
            [
                "drain.grace: it should be a time with its unit",
                "drain.mode: it should be none, deactivate, or drain",
                "gate.http[0]: url must be there",
                "gate.http[0].status: it should be a status of HTTP",
            ],
        ),
    ],
)
def test_mistakes_are_told_all_at_once_by_place(
    changed: dict[str, Any], expected: list[str]
) -> None:
    found = reasons(**changed)
    assert len(found) == len(expected), found
    for told, begins in zip(found, expected, strict=True):
        assert told.startswith(begins), told


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.integers())
def test_whatever_stands_somewhere_is_taken_or_refused_with_a_place(value: object) -> None:
    for name in ("batches", "select", "masters", "soak", "gate", "max_failures", "drain"):
        try:
            strategy({**LEAST, name: value}, "s.yaml")
        except PackagerError as refused:
            assert str(refused).startswith(f"s.yaml: {name}"), name  # noqa: PT017


@given(st.integers(0, 10_000_000))
def test_times_are_shown_as_they_are_read(duration: int) -> None:
    assert seconds(shown(duration)) == duration


def test_the_schema_is_printed_and_the_rest_of_the_command_is_there() -> None:
    printed = rollout("schema")
    assert json.loads(printed.stdout)["title"] == "A strategy of rollout"
    assert rollout("nonsense").returncode == 64
    assert "complete" in rollout("completion", "bash").stdout


def test_what_runs_on_hosts_imports_nothing_of_it() -> None:
    code = (
        "import sys, provisioner.main, packager.main\n"
        "from provisioner.commands import status\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('rollout', 'aiohttp', 'kazoo')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
