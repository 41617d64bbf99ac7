"""File names are bytes, and nearly all programs mean UTF-8 by them, whatever the locale is.

Python decodes them as the locale says: under Latin-1 the name that an archive has in UTF-8 would
get other bytes on the disk, under ASCII it could not be written at all. UTF-8 mode (PEP 540) ends
that, and can only be chosen when the interpreter starts; so where the locale led elsewhere, it
starts again.
"""

from __future__ import annotations

import os
import sys

OPTION = ["-X", "utf8"]


def ensure() -> None:
    """Return if file names are UTF-8 to this interpreter, else become the same program with an
    interpreter to which they are."""
    if sys.getfilesystemencoding() == "utf-8" or sys.orig_argv[1:3] == OPTION:
        return
    if sys.executable:
        os.execv(sys.executable, [sys.executable, *OPTION, *sys.orig_argv[1:]])
