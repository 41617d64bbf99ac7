"""The package of the store that packager itself runs from, if it does (see docs/bundle.md).

It is not taken away by its own hand: the rest of this process would be missing, and after it there
would be nobody to put anything back.
"""

from __future__ import annotations

import os


def own_package(root: str) -> str | None:
    """The id of the package in the store at `root` that this process imports from; None: it runs
    from elsewhere. The launcher of a bundle imports by the real path."""
    top = f"{os.path.realpath(root)}/packages/"
    return __file__.removeprefix(top).partition("/")[0] if __file__.startswith(top) else None
