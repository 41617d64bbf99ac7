"""Where `packager` starts."""

from __future__ import annotations

from packager.cli import runner
from packager.cli.definitions import PACKAGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main() -> NoReturn:
    """The console script: run the command line of this process and end the process."""
    runner.main(PACKAGER)


def run(words: Sequence[str]) -> int:
    """Run one command line (without the program's name); see `runner.run`."""
    return runner.run(PACKAGER, words)
