"""`packager completion`: the script that click has for each shell."""

from __future__ import annotations

from packager.cli import click_parser, output
from packager.cli.definitions import PACKAGER


def run(*, root: str, shell: str) -> int:  # noqa: ARG001 - every command takes a root
    """Print the script for `shell`; raises OutputFailed."""
    output.write(click_parser.completion_script(PACKAGER, shell).encode())
    return 0
