"""Two front ends, one meaning: whatever the light one accepts, click parses to the same."""

from __future__ import annotations

import inspect
import os
import re
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packager.cli import click_parser, fast_parser
from packager.cli.command_model import ROOT, Command, LazyCommands
from packager.cli.converters import CONVERTERS, Malformed
from packager.cli.definitions import COMMANDS, EXIT_CODES, PACKAGER
from packager.cli.definitions_host import HOST_OPTIONS

WORDS = [
    *(command.name for command in PACKAGER.commands),
    *(option.name for command in PACKAGER.commands for option in command.options),
    *("--root", "--root=/r", "--root=", "--help", "-h", "--version", "--", "-", "---", "", "lis"),
    *("--dry-run", "--add", "--add=1", "--keep=0", "--format=json", "--format=table", "json"),
    *("--format=ndjson", "--format=xml", "--format="),
    *("--sha256=" + "a" * 64, "--sha256=" + "A" * 64, "--sha256=" + "g" * 64, "A" * 64),
    *("--size=1", "--size=1K", "--size=-1", "--size=1.5", "--size=٣", "--size= 1", "--size=1_0"),
    *("--read-timeout=1.5", "--read-timeout=0", "--read-timeout=1e3", "--read-timeout=inf"),
    *("--retries=0", "--retries=+1", "--id=a--1", "--id=a", "--form=json", "--format json"),
    *("hello--1.0", "a--b--c", "../x--1", "hello--1.0\n", "http://a.test/x--1.tar", "bash", "xz"),
    *("--compression=xz", "--output=-", "-o", "-x", "--compression", "\udc80--1", "é--1"),
]
lines = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=7)


def option_words(command: Command) -> st.SearchStrategy[list[str]]:
    """Options of the command with plausible values, in either spelling."""
    names = st.sampled_from([ROOT.name, *(option.name for option in command.options)])
    values = st.sampled_from(
        ["json", "table", "xz", "a--1", "7", "1.5", "2G", "f" * 64, "/r", "-", "-x", "--"]
    )
    one = st.tuples(names, values, st.booleans()).map(
        lambda each: [f"{each[0]}={each[1]}"] if each[2] else [each[0], each[1]]
    )
    return st.lists(one, max_size=3).map(lambda each: [word for words in each for word in words])


@st.composite
def plausible(draw: st.DrawFn) -> list[str]:
    """Lines that are mostly well-formed, so that acceptance is put to the test too."""
    command = draw(st.sampled_from(PACKAGER.commands))
    positional = st.lists(st.sampled_from(["a--1", "b--2", "-", "bash", "--", "--root=/p"]))
    return [
        *draw(st.sampled_from([[], ["--root", "/r"], ["--root=/r"]])),
        command.name,
        *draw(option_words(command)),
        *draw(positional),
        *draw(option_words(command)),
    ]


def by_click(words: list[str], environment: dict[str, str]) -> fast_parser.Invocation | int:
    before = dict(os.environ)
    os.environ.pop(ROOT.envvar or "", None)
    os.environ.update(environment)
    try:
        return click_parser.parse(PACKAGER, words)
    finally:
        os.environ.clear()
        os.environ.update(before)


def check(words: list[str], environment: dict[str, str]) -> bool:
    accepted = fast_parser.parse(PACKAGER, words, environment)
    if accepted is None:
        return False
    parsed = by_click(words, environment)
    assert not isinstance(parsed, int), f"click rejects {words}"
    assert parsed[0] is accepted[0]
    assert parsed[1] == accepted[1]
    assert {k: type(v) for k, v in parsed[1].items()} == {
        k: type(v) for k, v in accepted[1].items()
    }
    return True


environments = st.sampled_from([{}, {"PACKAGER_ROOT": "/e"}, {"PACKAGER_ROOT": ""}])


@settings(max_examples=400, deadline=None)
@given(lines, environments)
def test_light_accepts_only_what_click_parses_alike(
    words: list[str], environment: dict[str, str]
) -> None:
    check(words, environment)


@settings(max_examples=400, deadline=None)
@given(plausible(), environments)
def test_plausible_lines_mean_the_same(words: list[str], environment: dict[str, str]) -> None:
    check(words, environment)


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list --format=json",
        "list --format ndjson",
        "--root /r list",
        "list --root=/r",
        "show --format=json hello--1.0",
        "show -- hello--1.0",
        "add -",
        "add --format=ndjson --sha256=" + "0" * 64 + " --size 2G -- http://a.test/x--1.tar",
        "add --id a--1 --max-size=1 --connect-timeout=1 --read-timeout 2.5 --retries=0 ./-x",
        "remove hello--1.0 --format=json",
        "verify",
        "verify a--1 b--2 --format json c--3",
        "build --output=- --compression zstd dir",
        "completion bash",
    ],
)
def test_well_formed_lines_take_the_light_way(line: str) -> None:
    assert check(line.split(), {})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--help",
        "--version",
        "list --help",
        "lst",
        "list extra",
        "list --format",
        "list --format=xml",
        "list --form=json",
        "list --format=json --format=table",
        "--root /a list --root /b",
        "show",
        "show a b",
        "show a--1 b--2",
        "--root= list",
        "add --size=x -",
        "completion csh",
    ],
)
def test_everything_else_is_left_to_click(line: str) -> None:
    assert fast_parser.parse(PACKAGER, line.split(), {}) is None


def test_completion_is_left_to_click() -> None:
    assert (
        fast_parser.parse(PACKAGER, ["list"], {PACKAGER.completion_variable: "bash_complete"})
        is None
    )


def test_the_last_root_wins() -> None:
    parsed = by_click(["--root", "/a", "list", "--root", "/b"], {"PACKAGER_ROOT": "/c"})
    assert not isinstance(parsed, int)
    assert parsed[1]["root"] == "/b"


@pytest.mark.parametrize("command", PACKAGER.commands, ids=lambda command: command.name)
def test_handlers_take_what_the_definition_gives(command: Command) -> None:
    module, _, function = command.handler.partition(":")
    signature = inspect.signature(getattr(import_module(module), function))
    declared = {option.dest for option in command.options}
    given_names = {ROOT.dest} | declared | {argument.dest for argument in command.arguments}
    parameters = set(signature.parameters)
    if "host" in parameters:  # **host: what the host's side is told
        parameters.remove("host")
        given_names -= {option.dest for option in HOST_OPTIONS}
    assert parameters == given_names
    assert set(command.exit_codes) <= set(EXIT_CODES)


def test_the_manual_names_everything() -> None:
    pages = (Path(__file__).parents[3] / "docs" / "packager").glob("*.md")
    manual = "".join(page.read_text() for page in pages)
    for command in PACKAGER.commands:
        assert f"packager {command.name}" in manual
        for option in (ROOT, *command.options):
            assert f"`{option.name}" in manual, option.name
    for code in EXIT_CODES:
        assert re.search(rf"^\| {code} \|", manual, re.MULTILINE), code


@given(st.sampled_from(sorted(CONVERTERS)), st.text())
def test_converters_refuse_or_convert(kind: str, word: str) -> None:
    with suppress(Malformed):
        assert CONVERTERS[kind](word) is not None


@pytest.mark.parametrize(
    ("kind", "word", "value"),
    [("size", "2G", 2 << 30), ("size", "0", 0), ("seconds", "1.5", 1.5), ("count", "007", 7)],
)
def test_values(kind: str, word: str, value: object) -> None:
    assert CONVERTERS[kind](word) == value


def test_lazy_commands_are_those_of_their_names() -> None:
    """A start imports only the commands of its own kind: so their names are written twice."""
    for each in COMMANDS:
        if isinstance(each, LazyCommands):
            assert each.names == tuple(command.name for command in each.load())
    assert all(PACKAGER.find(each.name) is each for each in PACKAGER.commands)
    assert PACKAGER.find("frobnicate") is None
