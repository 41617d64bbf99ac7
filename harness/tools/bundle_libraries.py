"""The libraries of a bundle: those that pip has installed for this interpreter, file by file.

What the tests ran with is what hosts get. No network is needed, and the same environment gives the
same files: each is compared with the hash that its wheel had for it (RECORD, see the specification
"Recording installed projects"), and what pip writes about this machine is left out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "mesos-packager"
#: What pip writes into `*.dist-info` about one installation.
OF_INSTALLATION = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


class CannotBundle(Exception):
    """There can be no bundle of this; the message is the sentence that says why."""


def requirements(extras: Iterable[str]) -> list[Distribution]:
    """All that the project needs with these extras, itself left out, sorted by name.

    Raises:
        CannotBundle: one of them is not installed here.
    """
    found: dict[str, Distribution] = {}
    todo = [(PROJECT, frozenset(extras))]
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in done:
            continue
        done.add((name, wanted))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            raise CannotBundle(
                f"{name} is not installed for this Python: 'pip install {name}', or leave out the "
                "extra that needs it"
            ) from None
        for line in found[name].requires or ():
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in ("", *wanted)]
            if needed.marker is None or any(map(needed.marker.evaluate, environments)):
                todo.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    del found[PROJECT]
    return [found[name] for name in sorted(found)]


def copy_files(library: Distribution, place: Path) -> None:
    """Copy what a library imports and says of itself to `place`; no programs, no bytecode.

    Raises:
        CannotBundle: it was not installed from a wheel, or changed since.
    """
    name = library.metadata["Name"]
    if library.files is None:
        raise CannotBundle(f"{name} has no list of its files: install it with pip, from a wheel")
    for file in sorted(library.files):
        if ".." in file.parts or file.suffix == ".pyc" or file.name in OF_INSTALLATION:
            continue
        content = Path(str(file.locate())).read_bytes()
        if file.hash is None or _digest(file, content) != file.hash.value:
            raise CannotBundle(
                f"{file} is not as the wheel of {name} had it: 'pip install --force-reinstall "
                f"{name}'"
            )
        target = place / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise CannotBundle(f"{name} and another library both have {file}")
        target.write_bytes(content)


def _digest(file: PackagePath, content: bytes) -> str:
    assert file.hash is not None
    digest = hashlib.new(file.hash.mode, content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
