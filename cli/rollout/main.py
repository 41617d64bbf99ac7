"""Where `rollout` starts."""

from __future__ import annotations

import sys

from packager.cli import runner

from rollout.cli.definitions import ROLLOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """The console script: run the command line of this process and end the process."""
    sys.exit(runner.run(ROLLOUT, sys.argv[1:]))
