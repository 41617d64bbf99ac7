"""The aggregate of the active packages' build information: `buildinfo.json` of a generation.

A JSON object, one package a line, by name; null for a package that says nothing (pkgpanda's
active.buildinfo.full.json is such an object). The lines of packages that stay are copied as they
are, since build information can be long.
"""

from __future__ import annotations

import os

from packager.base.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOURCE = "buildinfo.full.json"  # at the top of a package
NAME = "buildinfo.json"  # at the top of a generation
NONE = b"null"


def lines_of(content: bytes) -> dict[str, bytes]:
    """What a `buildinfo.json` holds: names to JSON, not parsed."""
    found = {}
    for line in content.split(b"\n")[1:-2]:
        name, _, value = line.removesuffix(b",").partition(b":")
        found[name.decode().strip('"')] = value
    return found


def aggregate(lines: Mapping[str, bytes]) -> bytes:
    """The content of `buildinfo.json` for these packages."""
    members = b",\n".join(b'"%s":%s' % (name.encode(), lines[name]) for name in sorted(lines))
    return b"{\n" + members + b"\n}\n"


def read(tree: str, package_id: str) -> bytes:
    """The package's build information as one line of JSON, or null. Raises DataError, OSError."""
    try:
        fd = os.open(f"{tree}/{SOURCE}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return NONE
    except OSError as error:
        raise DataError(f"{package_id}: {SOURCE} is not a file") from error
    with open(fd, "rb") as file:  # noqa: PTH123
        content = file.read()
    import json

    try:
        return json.dumps(json.loads(content), separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{package_id}: {SOURCE}: {error}") from error


def files(
    root: str, current: int | None, staying: Iterable[str], entering: Mapping[str, str]
) -> dict[str, bytes]:
    """`buildinfo.json` and its content, if a package says anything; else nothing.

    current: the active generation, which has the names `staying`. entering: names to ids.
    Raises DataError, OSError.
    """
    lines = {name: read(f"{root}/packages/{each}", each) for name, each in entering.items()}
    known: dict[str, bytes] = {}
    if current is not None:
        try:
            with open(f"{root}/generations/{current}/{NAME}", "rb") as file:  # noqa: PTH123
                known = lines_of(file.read())
        except FileNotFoundError:
            pass  # none of its packages says anything
    if not known and all(value == NONE for value in lines.values()):
        return {}
    lines.update((name, known.get(name, NONE)) for name in staying)
    if all(value == NONE for value in lines.values()):
        return {}
    return {NAME: aggregate(lines)}
