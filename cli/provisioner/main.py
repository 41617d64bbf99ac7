"""Where `provisioner` starts."""

from __future__ import annotations

import sys

from packager import front

from provisioner.commands import PROVISIONER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """The console script: run the command line of this process and end the process."""
    sys.exit(front.run(PROVISIONER, sys.argv[1:]))
