"""Where `packager` starts."""

from __future__ import annotations

import sys

from packager import front
from packager.commands import PACKAGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main() -> NoReturn:
    """The console script: run the command line of this process and end the process."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run one command line (without the program's name); see `front.run`."""
    return front.run(PACKAGER, words)
