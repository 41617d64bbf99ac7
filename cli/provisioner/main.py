"""Where `provisioner` starts."""

from __future__ import annotations

from packager.cli import runner

from provisioner.cli.definitions import PROVISIONER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """The console script: run the command line of this process and end the process."""
    runner.main(PROVISIONER)
