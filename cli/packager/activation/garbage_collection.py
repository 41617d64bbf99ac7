"""`gc`: old generations are forgotten, and then the packages that nothing needs any more.

A package that was added after the newest generation waits for its own activation and stays.
A generation is forgotten before its packages go, and each package goes as `remove` takes it, so a
kill in between leaves only more to collect.
"""

from __future__ import annotations

import os
from contextlib import suppress

from packager.base.debug_log import debug
from packager.generations.document import DOCUMENT, active_number, kept_numbers, read_generation
from packager.store import lock
from packager.store.installed import installed_ids
from packager.store.write_session import translated, undeleted, writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.errors import PackagerError
    from packager.base.events import Emit


class Collected:
    """What goes, or has gone; `failure`: to be raised once the rest has been told, since not all
    files of it could be deleted."""

    __slots__ = ("failure", "generations", "kept", "packages", "waiting")

    def __init__(
        self, generations: list[int], kept: list[int], packages: list[str], waiting: list[str]
    ) -> None:
        self.generations = generations
        self.kept = kept
        self.packages = packages
        self.waiting = waiting  # packages that no generation needs, but new ones
        self.failure: PackagerError | None = None


def collectable(root: str, keep: int) -> Collected:
    """What `collect` would take away. Raises PackagerError."""
    root = os.path.abspath(root)  # noqa: PTH100
    with translated(root):
        return _collectable(root, keep)


def collect(
    root: str,
    keep: int,
    emit: Emit,
    *,
    discard: bool = False,
    lock_wait: float = lock.DEFAULT_WAIT,
) -> Collected:
    """Keep the active generation and the newest others, `keep` in all; forget the rest, and remove
    the packages that then none needs. discard: what somebody has put into their trees, or changed
    there, goes with them. Events: `forgotten` (generation), `removed` (id), `kept` (of, path,
    place), `warning`.

    Raises PackagerError only: ConfigError, before anything goes, if something is mounted in what
    would go.
    """
    root = os.path.abspath(root)  # noqa: PTH100
    with (
        writing(root, lock_wait=lock_wait, make=False, discard=discard, emit=emit) as session,
        session.locked(lock.ACTIVATION),  # an activation may yet go back to the generation before
        session.locked(),
    ):
        session.raises = True
        found = _collectable(root, keep)
        session.trees.refuse_mounts(map(str, found.generations))
        session.refuse_mounts(found.packages)
        for number in found.generations:
            session.trees.forget(number, session.mine.fd)
            emit("forgotten", generation=number)
        if found.packages:
            session.trees.drop_spare(session.mine.fd, found.packages)
        for package_id in found.packages:
            session.take_away(package_id)
            emit("removed", id=package_id)
    if session.mine.undeleted is not None:
        found.failure = undeleted(root, session.mine.undeleted)
    return found


def _collectable(root: str, keep: int) -> Collected:
    active = active_number(root)
    numbers = kept_numbers(root)
    if active is None:
        return Collected([], numbers, [], installed_ids(root))
    others = [number for number in numbers if number != active]
    kept = sorted([active, *others[max(0, len(others) - keep + 1) :]])
    needed: set[str] = set()
    for number in kept:
        needed.update(read_generation(root, number).packages)
    made = max(_changed(root, number) for number in numbers)
    unneeded = [each for each in installed_ids(root) if each not in needed]
    waiting = [each for each in unneeded if _added(root, each) > made]
    gone = set(waiting)
    debug(lambda: f"gc: generations kept: {kept}; packages needed: {sorted(needed)}")
    return Collected(
        [number for number in numbers if number not in kept],
        kept,
        [each for each in unneeded if each not in gone],
        waiting,
    )


def _changed(root: str, number: int) -> int:
    """When generation `number` was made: nanoseconds since the epoch."""
    for place in (f"{root}/history/{number}.json", f"{root}/generations/{number}/{DOCUMENT}"):
        with suppress(FileNotFoundError):
            return os.stat(place).st_mtime_ns  # noqa: PTH116
    return 0


def _added(root: str, package_id: str) -> int:
    """When the package was added; its record was put in its place then (and not written)."""
    try:
        return os.stat(f"{root}/manifests/{package_id}").st_ctime_ns  # noqa: PTH116
    except FileNotFoundError:
        return 0  # the record is lost; the package can't be activated
