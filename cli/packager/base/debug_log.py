"""What was decided and why, on standard error, where the environment has PACKAGER_DEBUG=1.

Words are made only then, so a call costs nothing else. None of them holds a secret: no content of a
file, no value of a variable, no URL but a redacted one.
"""

from __future__ import annotations

import os

from packager.base.byte_output import encode, printable, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "PACKAGER_DEBUG"


def debug(words: Callable[[], str]) -> None:
    """Write the line that `words` returns, if that is asked for; a failure to write is ignored."""
    if os.environ.get(VARIABLE, "0") in ("", "0"):
        return
    import time

    line = f"debug {time.monotonic():.3f}: {printable(words())}\n"
    try:
        write_all(2, encode(line))
    except OSError:
        return
