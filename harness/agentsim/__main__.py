"""`agentsim` as a program: looks at the system before it loads what only Linux has."""

from __future__ import annotations

import sys

_EX_UNAVAILABLE = 69  # of sysexits.h, which not every system's `os` has
_NOT_LINUX = (
    "agentsim: this needs Linux (pidfd, /proc), and this is {system}: run it in a container, from"
    " the image that `docker build --target=simulator` makes (docs/docker.md)"
)


def main() -> None:
    """Run the command line."""
    if sys.platform != "linux":
        print(_NOT_LINUX.format(system=sys.platform), file=sys.stderr)
        sys.exit(_EX_UNAVAILABLE)
    from agentsim.cli import run

    run()


if __name__ == "__main__":
    main()
