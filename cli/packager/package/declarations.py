"""What a package declares of the host and of other packages, read once, when it becomes active.

Declarations are kept in the generation's document; later activations decide from them and do not
read the package again. They do not depend on the host: units carry the role that they are for.

    environment sysctl state_directory username group owners
    requires conflicts provides replaces variant       as in pkginfo.json
    units      [{"name", "path", "role", "sha256"}]; `path` in the package, `role` "" for all hosts;
               and "wanted": false of those that only other units start
    services   the names (without .service) that the package's sysctl settings can be for
    empty_directories    directories that packages share and this one has no link in

Unit files lie in `dcos.target.wants` (pkgpanda's name) or `units`, or in `static-units` if a timer,
a socket or another unit starts them; or in one of these with `_ROLE` behind it.
"""

from __future__ import annotations

import os
import stat

from packager.base.cast import cast
from packager.base.digest import sha256
from packager.base.errors import DataError
from packager.package.entry_kinds import DIRECTORY
from packager.package.package_id import LETTERS_AND_DIGITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NotRequired, TypedDict

    from packager.package.manifest import Entry, Record

    class DeclaredUnit(TypedDict):
        """A unit file: `path` in the package; `role` is that of the hosts it is for, "" for all;
        wanted: whether it is started with the set, true if it is not there."""

        name: str
        path: str
        role: str
        sha256: str
        wanted: NotRequired[bool]

    class Declarations(TypedDict, total=False):
        """What one package declares; JSON-able, and without what would be empty."""

        environment: dict[str, object]  # names of variables to strings and numbers
        sysctl: dict[str, dict[str, object]]  # services to names of settings to their values
        state_directory: bool
        username: str
        group: str
        owners: dict[str, dict[str, str]]  # paths to {"user", "group"}, one of them or both
        requires: list[object]
        conflicts: list[object]
        provides: list[object]
        replaces: list[object]
        variant: str | None
        units: list[DeclaredUnit]
        services: list[str]
        empty_directories: list[str]


# pkgpanda's: made in a generation for what starts a service at boot, which sets what it needs.
SERVICES_FILE = "etc/dcos-service-configuration.json"
STATIC_UNITS = "static-units"  # units that are placed, and started by other units only
UNIT_DIRECTORIES = ("dcos.target.wants", "units", STATIC_UNITS)
DROP_IN_SUFFIX = ".d"
UNIT_SUFFIXES = (
    *(".service", ".socket", ".timer", ".path", ".target", ".mount"),
    *(".automount", ".swap", ".slice"),
)
UNIT_CHARACTERS = LETTERS_AND_DIGITS + ":_.\\-@"  # systemd.unit(5)
# Systemd takes 255; a name may get a suffix while it is put in place.
MAX_UNIT_NAME_CHARACTERS = 200
MAX_UNIT_BYTES = 1 << 20  # bytes
# The host's own: the target that all units belong to, and what sets pkgpanda's hosts up.
RESERVED_UNITS = ("dcos.target", "dcos-download.service", "dcos-setup.service")
# Those that stand in pkginfo.json, which has been checked when the package was added.
FROM_PKGINFO = (
    *("environment", "sysctl", "state_directory", "username", "group", "owners"),
    *("requires", "conflicts", "provides", "replaces"),
)


def read_declarations(package_id: str, tree_path: str, record: Record) -> Declarations:
    """The declarations of the package with this record, whose tree is at `tree_path`.

    What would be empty is left out, so a package that says nothing has {}. Raises DataError for
    units that can't be meant, OSError.
    """
    if os.path.lexists(f"{tree_path}/{SERVICES_FILE}"):
        raise DataError(f"{package_id}: {SERVICES_FILE} is reserved; a package must not contain it")
    info = record.pkginfo or {}
    found = _from_pkginfo(info)
    units = sorted(_units(package_id, tree_path), key=lambda unit: unit["path"])
    if units:
        found["units"] = units
    if info.get("sysctl"):
        found["services"] = sorted(_services(tree_path))
    return found


def _from_pkginfo(info: dict[str, object]) -> Declarations:
    found: dict[str, object] = {key: info[key] for key in FROM_PKGINFO if info.get(key)}
    if "variant" in info:  # null is the default variant; packages that do not say have none
        found["variant"] = info["variant"]
    return cast("Declarations", found)


def _units(package_id: str, tree_path: str) -> Iterator[DeclaredUnit]:
    with os.scandir(tree_path) as entries:
        tops = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for top, is_directory in tops:
        base = _unit_directory(top)
        if base is None:
            continue
        if not is_directory:
            raise DataError(f"{package_id}: {top} is not a directory; unit files have to be in one")
        for name in os.listdir(f"{tree_path}/{top}"):  # noqa: PTH208
            if name.startswith("."):  # what keeps an empty directory in version control
                continue
            path = f"{top}/{name}"
            reason = _flaw(name)
            if reason:
                raise DataError(f"{package_id}: {path}: {reason}")
            content = read_unit(package_id, tree_path, path)
            role = top[len(base) + 1 :]
            digest = sha256(content)
            unit: DeclaredUnit = {"name": name, "path": path, "role": role, "sha256": digest}
            if base == STATIC_UNITS:
                unit["wanted"] = False
            yield unit


def unit_flaws(entries: Iterable[Entry]) -> Iterator[str]:
    """Why a tree with these entries could not become active for its unit files, one sentence each.
    What links lead to is not looked at. Pure."""
    for each in entries:
        top, slash, name = each.path.partition("/")
        if _unit_directory(top) is None or name.startswith("."):
            continue
        if not slash:
            if each.kind != DIRECTORY:
                yield f"{top} is not a directory; unit files have to be in one"
        elif "/" not in name:
            reason = _flaw(name)
            if reason is None and each.kind == DIRECTORY:
                reason = "not a regular file"
            if reason is not None:
                yield f"{each.path}: {reason}"


def _unit_directory(top: str) -> str | None:
    """Which of the directories of units this directory at the top of a package is, for a role or
    for all hosts; None: it is another one."""
    return next((b for b in UNIT_DIRECTORIES if top == b or top.startswith(f"{b}_")), None)


def read_unit(package_id: str, tree_path: str, path: str) -> bytes:
    """The unit file at `path` of the package; a link is followed while it stays in the package.

    Raises DataError, OSError.
    """
    top = os.path.realpath(tree_path)
    real = os.path.realpath(f"{top}/{path}")
    if not real.startswith(f"{top}/"):
        raise DataError(f"{package_id}: {path} is a link that leaves the package")
    try:
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise DataError(f"{package_id}: {path} is a link to nothing") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{package_id}: {path} is not a regular file")
        if status.st_size > MAX_UNIT_BYTES:
            raise DataError(f"{package_id}: {path} has more than {MAX_UNIT_BYTES} bytes")
        content = b""
        while piece := os.read(fd, MAX_UNIT_BYTES + 1):
            content += piece
        return content
    finally:
        os.close(fd)


def _flaw(name: str) -> str | None:
    """Why `name` can't be a package's unit, or None."""
    if name in RESERVED_UNITS:
        return "this unit belongs to the host itself"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    if suffix == DROP_IN_SUFFIX and os.path.splitext(stem)[1] in UNIT_SUFFIXES:  # noqa: PTH122
        return (
            "a package has no drop-ins: write the settings into the unit itself; the host's own "
            f"are in /etc/systemd/system/{name}"
        )
    if suffix not in UNIT_SUFFIXES or not stem or name.strip(UNIT_CHARACTERS):
        return f"not the name of a unit, such as {stem or 'name'}.service"
    if name[0] == "-" or len(name) > MAX_UNIT_NAME_CHARACTERS:
        most = MAX_UNIT_NAME_CHARACTERS
        return f"a unit's name has at most {most} characters and does not begin with -"
    return None


def _services(tree_path: str) -> set[str]:
    """The services that the package has anywhere in its tree, as pkgpanda looks for them."""
    names: set[str] = set()
    for _, _, files in os.walk(tree_path):
        names.update(name[: -len(".service")] for name in files if name.endswith(".service"))
    return names
