"""Brings back what has changed on the host since it was made: the part of an apply that repairs.

Before the activation: trees of packages, the links of the active set. After it: unit files, and
units that do not run. What is well is left alone.
"""

from __future__ import annotations

from contextlib import contextmanager

from packager.base.errors import PackagerError
from packager.generations.document import active_generation
from packager.store.write_session import translated
from packager.verification.host_check import required_units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from packager.base.events import Emit, Field
    from packager.host.options import HostOptions
    from packager.store.tree_comparison import Difference

    Obtain = Callable[[str], AbstractContextManager[BinaryIO]]


def repair(root: str, ids: Sequence[str], obtain: Obtain, emit: Emit, *, quick: bool) -> list[str]:
    """Give the packages of `ids` whose trees have changed fresh ones, and make the links of the
    active set anew if they have changed; what was repaired, in words.

    obtain: an archive of a package, for the block. quick: files that were not touched since they
    were added are not read. Events: `repaired` (id), `renewed` (generation), those of unpacking.
    Raises the failure of the first package that can't be repaired, after the others have been;
    DataError if an archive has another tree than the package; PackagerError.
    """
    from packager.store.store import Store
    from packager.verification import repair as packages

    damaged, links = _damaged(root, ids, quick=quick)
    repaired: list[str] = []
    if damaged:

        @contextmanager
        def vouched(package_id: str) -> Iterator[tuple[BinaryIO, str | None]]:
            with obtain(package_id) as archive:
                yield archive, None

        results = packages.packages(Store(root), damaged, vouched, emit)
        for each in results:
            if not each["ok"]:
                words = str(each["error"])
                named = words if str(each["id"]) in words else f"{each['id']}: {words}"
                error = PackagerError(named)
                error.exit_code = int(str(each["exit_code"]))
                raise error
        repaired += damaged
    if links:
        number = packages.renew_active(root)
        if number is not None:
            emit("renewed", generation=number)
            repaired.append(f"generation {number}")
    return repaired


def _damaged(root: str, ids: Sequence[str], *, quick: bool) -> tuple[list[str], bool]:
    """The packages that differ, sorted, and whether the active generation does."""
    from packager.verification.verify import verify

    damaged: list[str] = []
    links = False

    def hear(event: str, /, **fields: Field) -> None:
        nonlocal links
        if event == "verified" and not fields["ok"]:
            if "id" in fields:
                damaged.append(str(fields["id"]))
            else:
                links = True

    if ids:
        verify(root, ids, hear, active=True, quick=quick)
    return damaged, links


def units(root: str, options: HostOptions, emit: Emit) -> bool:
    """Place the unit files again that have been changed, and start the units of the active set that
    should run and do not: by an activation of the same set; whether there were any. Events:
    `warning` for each, and those of the activation. Raises UnitsFailed, PackagerError."""
    from packager.activation.activate import activate
    from packager.activation.planning import Request

    with translated(root):
        active = active_generation(root)
    if active is None:
        return False
    units_dir = options.units_dir(root)
    wanted = required_units(active, options)
    if not wanted:
        return False
    changed = _unit_files(root, units_dir)
    stopped = []
    if options.systemd:
        from packager.host.systemd_units import not_running

        stopped = not_running(sorted(wanted))
    if not changed and not stopped:
        return False
    for each in changed:
        emit("warning", message=f"{each.path}: {each.reason}; it is placed again")
    for unit in stopped:
        emit("warning", message=f"{unit.unit}: {unit}; it is started again")
    _forget(root, units_dir, changed, [unit.unit for unit in stopped])
    request = Request("activate", list(active.packages), roles=active.roles, options=options)
    activate(root, request, emit)
    return True


def _unit_files(root: str, units_dir: str) -> list[Difference]:
    from packager.verification.generation_check import check

    checked = check(root)
    found = checked[1] if checked is not None else []
    return [each for each in found if each.path.startswith(f"{units_dir}/")]


def _forget(root: str, units_dir: str, changed: list[Difference], stopped: list[str]) -> None:
    """Write down that these are not in place, or not started; the next activation does the rest."""
    from packager.verification import repair as packages

    if changed:
        packages.forget_units(root, changed)
    if stopped:
        packages.forget_started(root, units_dir, stopped)
