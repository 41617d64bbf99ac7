"""Bytecode that Python writes beside the programs that it runs: it is no change of a package.

Running a program as the owner of the store makes `__pycache__/NAME.cpython-311.pyc` beside NAME.py
(PEP 3147), and makes it anew when it is not of that very file. So such a file may come and may have
other content than in the archive; the sources are compared as everything else is.
"""

from __future__ import annotations

from packager.package.entry_kinds import DIRECTORY, FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

CACHE = "__pycache__"
SOURCE_SUFFIX, SUFFIX = ".py", ".pyc"
INTERPRETERS = ("cpython-", "pypy", "graalpy")  # how the tags of PEP 3147 begin
OTHERS_MAY_WRITE = 0o022


def source_directories(paths: Iterable[str]) -> set[str]:
    """The directories of `paths` that may get a cache, since they have sources. Pure."""
    return {path.rpartition("/")[0] for path in paths if path.endswith(SOURCE_SUFFIX)}


def is_bytecode(
    path: str, kind: str, mode: int, sources: Container[str], directories: Container[str]
) -> bool:
    """Whether what is at `path`, of this kind and mode, is what Python writes beside the `sources`,
    paths of files, which are in `directories`. Pure."""
    if mode & OTHERS_MAY_WRITE:
        return False
    parent, _, name = path.rpartition("/")
    if name == CACHE:
        return kind == DIRECTORY and parent in directories
    place, _, cache = parent.rpartition("/")
    source = source_of(name)
    if kind != FILE or cache != CACHE or source is None:
        return False
    return (f"{place}/{source}" if place else source) in sources


def has_name_of_bytecode(path: str) -> bool:
    """Whether a file at `path` is called as what Python makes anew, whatever it is of. Pure."""
    parent, _, name = path.rpartition("/")
    return parent.rpartition("/")[2] == CACHE and source_of(name) is not None


def source_of(name: str) -> str | None:
    """The name of the source whose bytecode is called `name`; None: it is no bytecode's. Pure."""
    stem, suffix, unfinished = name.rpartition(SUFFIX)
    if not suffix or (unfinished and not unfinished.removeprefix(".").isdigit()):
        return None  # what a killed Python leaves has a number behind it
    module, _, tag = stem.rpartition(".")
    if tag.startswith("opt-"):
        module, _, tag = module.rpartition(".")
    return module + SOURCE_SUFFIX if module and tag.startswith(INTERPRETERS) else None
