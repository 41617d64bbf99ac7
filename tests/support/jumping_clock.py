"""A program whose wall clock jumps: `python -m tests.support.jumping_clock MODULE WORDS…`.

Each time that it is asked what time it is, it is days away from what it was before, forwards or
back. What is measured by a clock that only goes on is as always.
"""

from __future__ import annotations

import itertools
import runpy
import sys
import time

DAY = 86_400.0  # seconds


def main() -> None:
    """See above."""
    module, *words = sys.argv[1:]
    real = time.time
    jumps = itertools.cycle((0.0, 3 * DAY, -2 * DAY, DAY, -400 * DAY))
    time.time = lambda: real() + next(jumps)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
