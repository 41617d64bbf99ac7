"""Links of a package that may lead to a file of the host: the allow-list.

A virtual environment (venv, virtualenv) has `bin/python3`, which leads to the Python that it was
made with. That is all that is allowed: whoever reads a package through another link would read a
file of somebody else's choice.
"""

from __future__ import annotations

DIRECTORIES = ("/usr/bin/", "/usr/local/bin/")
PYTHON = "python3"


def is_allowed_host_link(target: str) -> bool:
    """Whether a link may have this absolute path as its target: python3, or python3.N. Pure."""
    directory = next((each for each in DIRECTORIES if target.startswith(each)), None)
    if directory is None:
        return False
    name = target.removeprefix(directory)
    minor = name.removeprefix(f"{PYTHON}.").removesuffix("t")  # t: free-threaded, since 3.13
    return name == PYTHON or (name.startswith(f"{PYTHON}.") and minor.isascii() and minor.isdigit())
