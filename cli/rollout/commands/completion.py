"""`rollout completion`: the script that click has for each shell."""

from __future__ import annotations

from packager.cli import click_parser, output

from rollout.cli.definitions import ROLLOUT


def run(*, shell: str) -> int:
    """Print the script for `shell`; raises OutputFailed."""
    output.write(click_parser.completion_script(ROLLOUT, shell).encode())
    return 0
