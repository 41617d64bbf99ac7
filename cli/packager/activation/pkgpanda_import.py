"""A host that pkgpanda manages: what it has, and taking it over.

    ROOT/packages/<id>/             its repository
    ROOT/active/<name> -> <id>      its active set
    UNITS_DIR/dcos.target.wants/    the units that it has put in place

Nothing of this is changed: packages are copied into the store, byte by byte the trees that they
are, so that pkgpanda's archive added later is known to be the same package. Units that run go on
running; once the set is active they are known to be placed and started (see `applied_state`).
"""

from __future__ import annotations

import os
import time

from packager.archive.build import bare_archive, survey
from packager.archive.limits import Limits
from packager.base import digest
from packager.base.errors import Conflict, DataError, NotFound, PackagerError, from_os_error
from packager.host import applied_state, host_plan
from packager.package import declarations
from packager.package.package_id import flaw
from packager.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from packager.base.events import Emit
    from packager.host.context import Context
    from packager.host.documents import AdoptedState, UnitSource, UnitState
    from packager.package.declarations import Declarations

TEMPORARY = "_tmp"  # behind the id of a tree that pkgpanda has not unpacked to its end
UNFINISHED = "install_progress"  # in ROOT, while pkgpanda changes the active set


class Found:
    """What pkgpanda has: `packages` ids to directories, sorted; `active` ids, sorted; `left_out`
    names in the repository that are no packages, and why."""

    __slots__ = ("active", "left_out", "packages")

    def __init__(
        self, packages: dict[str, str], active: list[str], left_out: dict[str, str]
    ) -> None:
        self.packages = packages
        self.active = active
        self.left_out = left_out


def look(root: str, repository: str | None = None) -> Found:
    """What the pkgpanda at `root` has; its repository may be elsewhere.

    Raises NotFound if there is none, Conflict if it was interrupted, DataError for an active
    package that is not in the repository, OSError.
    """
    repository = repository or f"{root}/packages"
    active_directory = f"{root}/active"
    if os.path.lexists(f"{root}/{UNFINISHED}"):
        raise Conflict(
            f"{root}/{UNFINISHED} is there: pkgpanda has begun to change the active set and not "
            "finished; let it finish first (pkgpanda setup)"
        )
    try:
        names = sorted(os.listdir(repository))  # noqa: PTH208
        links = sorted(os.listdir(active_directory))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{error.filename}: not managed by pkgpanda: {error.strerror}") from None
    packages: dict[str, str] = {}
    left_out: dict[str, str] = {}
    active = []
    for link in links:
        target = os.path.realpath(f"{active_directory}/{link}")
        package_id = os.path.basename(target)  # noqa: PTH119
        if os.path.realpath(f"{repository}/{package_id}") != target or flaw(package_id):
            raise DataError(f"{active_directory}/{link} leads to {target}, which is no package")
        active.append(package_id)
    for name in names:
        path = f"{repository}/{name}"
        reason = flaw(name)
        if reason is None and not os.path.isdir(path):  # noqa: PTH112
            reason = "it is not a directory"
        if reason is None and name.endswith(TEMPORARY) and name not in active:
            reason = "pkgpanda has not unpacked it to its end"
        if reason is None:
            packages[name] = path
        elif not name.startswith("."):
            left_out[name] = reason
    missing = sorted(set(active) - packages.keys())
    if missing:
        raise DataError(f"{missing[0]} is active, but it is not in {repository}")
    return Found(packages, sorted(active), left_out)


def copy(store: Store, package_id: str, directory: str, emit: Emit) -> bool:
    """Add the package whose tree is at `directory`; whether it was not there before.

    Raises PackagerError for what `add` would refuse.
    """
    try:
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise from_os_error(error, directory) from error
    try:
        limits = Limits()
        manifest = survey(top, directory, limits)
        stream: BinaryIO = _Stream(bare_archive(manifest, top, None))  # type: ignore[assignment]
        return store.add(stream, package_id=package_id, emit=emit).changed
    finally:
        os.close(top)


def done_on_host(
    store: Store, active: Sequence[str], roles: Sequence[str], context: Context, emit: Emit
) -> AdoptedState:
    """What pkgpanda has done on the host for these packages, as parts of a state (`applied_state`).

    Events: `warning` for what is not as it should be. Raises PackagerError, OSError.
    """
    declared: dict[str, Declarations] = {}
    for package_id in active:
        tree = f"{store.root}/packages/{package_id}"
        declared[package_id] = declarations.read_declarations(
            package_id, tree, store.show(package_id)
        )
    required = host_plan.requirements(declared, roles, context.state_root)
    return {
        "units": {context.units_dir: _units(required["units"], context.units_dir, emit)},
        "sysctl": required["sysctl"],
        "boot": applied_state.boot_id(),
        "directories": {
            path: asked
            for path, asked in required["directories"].items()
            if os.path.isdir(path)  # noqa: PTH112
        },
    }


def _units(known: Mapping[str, UnitSource], units_dir: str, emit: Emit) -> dict[str, UnitState]:
    found: dict[str, UnitState] = {}
    for name, unit in known.items():
        try:
            with open(f"{units_dir}/{name}", "rb") as file:  # noqa: PTH123
                content = file.read()
        except FileNotFoundError:
            continue  # it will be placed
        found[name] = {"sha256": unit["sha256"], "started": [unit["package"], unit["sha256"]]}
        if digest.sha256(content) != unit["sha256"]:
            emit(
                "warning",
                message=f"{units_dir}/{name} is not as {unit['package']} has it; it stays as it "
                "is until a new version of the package comes",
            )
    try:
        links = os.listdir(f"{units_dir}/{host_plan.TARGET}.wants")  # noqa: PTH208
    except FileNotFoundError:
        links = []
    for name in sorted(set(links) - known.keys()):
        emit("warning", message=f"the unit {name} belongs to no active package; it is not changed")
    return found


class _Stream:
    """An iterator of bytes as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def import_all(
    store: Store, found: Found, emit: Emit, *, only_active: bool
) -> tuple[list[str], dict[str, str]]:
    """Copy the packages; the ids that were not in the store before, and those refused, with why.

    Event: `imported` (id, changed, seconds) after each. Raises the PackagerError of an active
    package that is refused: without it the host can't be taken over.
    """
    added: list[str] = []
    refused: dict[str, str] = {}
    for package_id, directory in found.packages.items():
        is_active = package_id in found.active
        if only_active and not is_active:
            continue
        begun = time.monotonic()
        try:
            changed = copy(store, package_id, directory, emit)
        except PackagerError as error:
            if is_active or not isinstance(error, DataError | Conflict):
                raise
            refused[package_id] = str(error)
            emit("warning", message=f"{package_id} is left out: {error}")
            continue
        if changed:
            added.append(package_id)
        seconds = round(time.monotonic() - begun, 3)
        emit("imported", id=package_id, changed=changed, seconds=seconds)
    return added, refused
