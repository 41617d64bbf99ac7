"""What `verify` finds is put right, without a moment in which something is not there.

    a package             its tree is exchanged for that of its archive (see `Store.repair`)
    the active set        its tree of links is made anew of the packages, and exchanged, too; if its
                          document was changed, that is written again first, with what can be known
    unit files            are forgotten to be in place, so that the next activation places them

All of it is done again from the start after an interruption; nothing has to be remembered for that.
"""

from __future__ import annotations

import os

from packager.activation.activate import record_origin
from packager.activation.planning import Packages, generation_files
from packager.base.digest import sha256
from packager.base.durable_files import ENTER, opened, replace_file
from packager.base.errors import DataError, NotFound, PackagerError
from packager.generations.document import DOCUMENT, Generation, decode, is_whole
from packager.host import applied_state
from packager.host.systemd_units import WANTS
from packager.package.package_id import flaw
from packager.store import lock
from packager.store.difference import CHANGED
from packager.store.translation import translated
from packager.store.write_session import Session, writing
from packager.verification import generation_check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from packager.base.events import Emit, Field
    from packager.store.difference import Difference
    from packager.store.store import Store

    Obtain = Callable[[str], AbstractContextManager[tuple[BinaryIO, str | None]]]

PACKAGES = "../../packages/"  # where a tree's links to its packages lead


def packages(
    store: Store, ids: Iterable[str], obtain: Obtain, emit: Emit, *, discard: bool = False
) -> list[dict[str, Field]]:
    """Give these packages the trees of the archives that `obtain` gives (each with the SHA-256 that
    it is known by, or None). What one fails of does not stop the others. discard: see
    `Store.repair`.

    Returns, and tells as events, what has become of each: `repaired` (id), or `unrepaired` (id,
    error, exit_code). Other events: those of `Store.repair`.
    """
    results: list[dict[str, Field]] = []
    for each in ids:
        try:
            with obtain(each) as (archive, sha256):
                store.repair(each, archive, sha256=sha256, discard=discard, emit=emit)
        except PackagerError as error:
            known: dict[str, Field] = {
                "id": each,
                "error": str(error),
                "exit_code": error.exit_code,
            }
            emit("unrepaired", **known)
            results.append({**known, "ok": False})
        else:
            emit("repaired", id=each)
            results.append({"id": each, "ok": True})
    return results


def renew_active(
    root: str,
    roles: tuple[str, ...] = (),
    *,
    emit: Emit | None = None,
    discard: bool = False,
    lock_wait: float = lock.DEFAULT_WAIT,
) -> int | None:
    """Make the tree of the active generation anew if it is not what was made; its number if so.

    The packages are taken to be sound. `roles` are those of the host, for the case that nothing
    tells those of the generation any more. Raises DataError if `active` itself does not lead to a
    generation, NotFound if one of its packages is gone, PackagerError.
    """
    root = os.path.abspath(root)  # noqa: PTH100
    with (
        writing(root, lock_wait=lock_wait, make=False, discard=discard, emit=emit) as session,
        session.locked(lock.ACTIVATION),
        session.locked(),
    ):
        checked = generation_check.check(
            root
        )  # without the host's files, since an activation is locked
        if checked is None or not checked[1]:
            return None
        number, differences = checked
        if number is None:
            raise DataError(
                f"{differences[0].reason}; make {root}/active a link to generations/N again, "
                "N being one of 'packager history'"
            )
        _renew(session, number, roles)
        return number


def _renew(session: Session, number: int, roles: tuple[str, ...]) -> None:
    packages = Packages(session.root)
    generation, whole = _document(session.root, number, packages, roles)
    files = generation_files(session.root, generation, None, generation.names)
    sums = {name: sha256(content) for name, content in sorted(files.items())}
    if not whole or generation.files != sums:
        generation.files = sums
        record_origin(generation, files)
        with opened("history", session.root_fd) as history:
            replace_file(f"{number}.json", history, generation.encode())
    session.trees.renew(generation, files, packages.published, session.mine.fd)


def _document(
    root: str, number: int, packages: Packages, roles: tuple[str, ...]
) -> tuple[Generation, bool]:
    """What the generation is, and whether its place in history says so and is as it was written.

    If neither that nor the tree's own document is, everything that follows from the packages is
    found out again; the rest (when, by whom) is believed.
    """
    known: Generation | None = None
    for place in (f"{root}/history/{number}.json", f"{root}/generations/{number}/{DOCUMENT}"):
        try:
            with open(place, "rb") as file:  # noqa: PTH123
                content = file.read()
            found = decode(content, place)
        except (DataError, OSError):
            continue
        if found.number == number and is_whole(content):
            return found, place.startswith(f"{root}/history/")
        known = known or found
    if known is None:
        ids = _linked(root, number)
        known = Generation(number=number, packages={}, roles=roles, command="repair")
    else:
        ids = list(known.packages)
    known.number = number
    known.packages = {each: packages.declarations(each, known.roles) for each in ids}
    return known, False


def _linked(root: str, number: int) -> list[str]:
    """The packages that the tree of the generation leads to. Raises NotFound if it is gone."""
    try:
        tree = os.open(f"{root}/generations/{number}", ENTER)
    except FileNotFoundError:
        raise NotFound(
            f"nothing is left of generation {number} that says what was active; "
            "make ROOT/active a link to another one of 'packager history'"
        ) from None
    try:
        found = []
        with os.scandir(tree) as entries:
            names = [entry.name for entry in entries if entry.is_symlink()]
        for name in names:
            target = os.readlink(name, dir_fd=tree)
            package_id = target.removeprefix(PACKAGES)
            if target.startswith(PACKAGES) and not flaw(package_id):
                found.append(package_id)
        return sorted(found)
    finally:
        os.close(tree)


def forget_units(
    root: str, differences: Iterable[Difference], *, lock_wait: float = lock.DEFAULT_WAIT
) -> dict[str, list[str]]:
    """Of the unit files that are not as they were placed, write down that they are not in place;
    the units of all that are not, by the directory they are placed in. The next activation there,
    also one of the same set, places them, and restarts those whose file was changed. Raises
    PackagerError."""
    found: dict[tuple[str, str], bool] = {}
    for each in differences:
        directory, _, name = each.path.rpartition("/")
        unit = (directory.removesuffix(f"/{WANTS}"), name)
        found[unit] = found.get(unit, False) or each.kind == CHANGED
    if found:
        with (
            writing(root, lock_wait=lock_wait, make=False) as session,
            session.locked(lock.ACTIVATION),
        ):
            state = applied_state.load(root)
            for (directory, name), changed in found.items():
                placed_unit = state["units"].get(directory, {}).get(name)
                if placed_unit is None:
                    continue  # a difference of something else
                placed_unit["sha256"] = ""
                started = placed_unit.get("started")
                if changed and started:
                    placed_unit["started"] = [
                        started[0],
                        "",
                    ]  # with another file than the package's
            applied_state.save(root, state)
    with translated(root):
        placed = applied_state.load(root)["units"]
    lacking = {
        directory: sorted(name for name, known in entries.items() if known.get("sha256") == "")
        for directory, entries in placed.items()
    }
    return {directory: names for directory, names in lacking.items() if names}


def forget_started(
    root: str, units_dir: str, names: Iterable[str], *, lock_wait: float = lock.DEFAULT_WAIT
) -> None:
    """Write down that these units of the active set, placed in `units_dir`, do not run. The next
    activation, also one of the same set, starts them. Raises PackagerError."""
    with writing(root, lock_wait=lock_wait, make=False) as session, session.locked(lock.ACTIVATION):
        state = applied_state.load(root)
        placed = state["units"].get(units_dir, {})
        for name in names:
            if name in placed:
                placed[name]["started"] = None
        applied_state.save(root, state)
