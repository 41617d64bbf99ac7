"""The command line: one definition, two front ends, the same as packager's."""

from __future__ import annotations

import inspect
import json
import shlex
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest
from packager.cli import click_parser, fast_parser
from packager.cli.command_model import Command
from provisioner.base.command_options import CommandOptions
from provisioner.cli.definitions import COMMANDS, EXIT_CODES, HOST, PROVISIONER

from tests.support.provisioner_machine import Machine

by_name = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@by_name
def test_handlers_take_what_the_definition_gives(command: Command) -> None:
    module, _, function = command.handler.partition(":")
    signature = inspect.signature(getattr(import_module(module), function))
    given = {"root"} | {each.dest for each in command.options}
    given |= {each.dest for each in command.arguments}
    parameters = set(signature.parameters)
    rest = {p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD}
    if rest:  # **host: what packager's side is told; **values: what CommandOptions takes, too
        parameters -= rest
        given -= {option.dest for option in HOST}
    if rest == {"values"}:
        given -= set(inspect.signature(CommandOptions).parameters)
    assert parameters == given
    assert set(command.exit_codes) <= set(EXIT_CODES)


@by_name
def test_examples_are_lines_that_both_front_ends_take(command: Command) -> None:
    for line, _ in command.examples:
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        words = words[1 : next((at for at, word in enumerate(words) if word in "<>"), None)]
        words = [word.replace("=…", "=" + "0" * 64) for word in words]
        accepted = fast_parser.parse(PROVISIONER, words, {})
        parsed = click_parser.parse(PROVISIONER, words)
        assert accepted is not None and not isinstance(parsed, int)
        assert accepted == parsed


@by_name
def test_help_has_examples_and_exit_codes(command: Command, tmp_path: Path) -> None:
    done = Machine(tmp_path).run(command.name, "--help")
    assert done.returncode == 0
    assert b"Usage: provisioner " + command.name.encode() in done.stdout
    assert b"Examples:" in done.stdout and b"Exit codes:" in done.stdout


def test_complaints_begin_with_the_programs_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run("apply", "/none").stderr.startswith(b"provisioner: /none: ")
    assert machine.run("aply").returncode == 64
    assert machine.run("--version").stdout.startswith(b"provisioner ")


def test_the_schema_is_one_and_is_printed(tmp_path: Path) -> None:
    done = Machine(tmp_path).run("schema")
    jsonschema.Draft202012Validator.check_schema(json.loads(done.stdout))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    assert b"_PROVISIONER_COMPLETE" in Machine(tmp_path).run("completion", shell).stdout
