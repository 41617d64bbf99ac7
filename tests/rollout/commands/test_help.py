"""The help of each command can be had, and its examples are command lines."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from packager.cli import click_parser, fast_parser
from packager.cli.command_model import Command
from rollout.cli.definitions import ROLLOUT

by_name = pytest.mark.parametrize("command", ROLLOUT.commands, ids=lambda each: each.name)


@by_name
def test_help_has_examples_and_exit_codes(command: Command) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rollout", command.name, "--help"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Usage: rollout " + command.name.encode() in done.stdout
    assert b"Examples:" in done.stdout and b"Exit codes:" in done.stdout


@by_name
def test_examples_are_lines_that_both_front_ends_take(command: Command) -> None:
    for line, _ in command.examples:
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        words = words[1 : next((at for at, word in enumerate(words) if word in "<>"), None)]
        accepted = fast_parser.parse(ROLLOUT, words, {})
        parsed = click_parser.parse(ROLLOUT, words)
        assert accepted is not None and not isinstance(parsed, int), line
        assert accepted == parsed
