"""`gc`: old generations are forgotten, and then the packages that nothing needs any more.

A package goes if a generation has had it, or has been made since it was added; one that was added
after the newest generation waits for its own activation and stays. What processes still execute
from stays, too. A generation is forgotten before its packages go, and each package goes as `remove`
takes it, so a kill in between leaves only more to collect.
"""

from __future__ import annotations

import os

from packager.activation.running_processes import processes_by_package
from packager.base.debug_log import debug
from packager.base.errors import DataError, NotFound
from packager.generations.document import active_number, kept_numbers, read_generation
from packager.store import lock
from packager.store.installed import installed_ids
from packager.store.manifest_records import read_record
from packager.store.translation import translated
from packager.store.write_session import undeleted, writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.errors import PackagerError
    from packager.base.events import Emit


class Collected:
    """What goes, or has gone; `failure`: to be raised once the rest has been told, since not all
    files of it could be deleted."""

    __slots__ = ("failure", "generations", "kept", "packages", "running", "waiting")

    def __init__(
        self,
        generations: list[int],
        kept: list[int],
        packages: list[str],
        waiting: list[str],
        running: dict[str, list[int]],
    ) -> None:
        self.generations = generations
        self.kept = kept
        self.packages = packages
        self.waiting = waiting  # packages that no generation needs, but new ones
        self.running = running  # packages that no generation needs, but processes: their ids
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
        return Collected([], numbers, [], installed_ids(root), {})
    kept = _kept(numbers, active, read_generation(root, active).previous, keep)
    packages = {number: set(read_generation(root, number).packages) for number in numbers}
    needed = set[str]().union(*(packages[number] for number in kept))
    had_their_turn = set[str]().union(*packages.values())
    unneeded = [each for each in installed_ids(root) if each not in needed]
    waiting = [
        each
        for each in unneeded
        if each not in had_their_turn and not _is_passed_over(root, each, numbers[-1])
    ]
    running = processes_by_package(root, {*unneeded} - {*waiting})
    gone = [each for each in unneeded if each not in waiting and each not in running]
    debug(lambda: f"gc: generations kept: {kept}; packages needed: {sorted(needed)}")
    return Collected(
        [number for number in numbers if number not in kept], kept, gone, waiting, running
    )


def _kept(numbers: list[int], active: int, previous: int | None, keep: int) -> list[int]:
    """The active generation, the one that `rollback` goes back to from it, and the newest others:
    those of activations that failed are newer, and displace neither."""
    ranks = {active: 2, previous: 1}
    ranked = sorted(numbers, key=lambda number: (ranks.get(number, 0), number))
    return sorted(ranked[-max(keep, 1) :])


def _is_passed_over(root: str, package_id: str, newest: int) -> bool:
    """Whether a generation has been made since the package was added, as far as the package's own
    record tells. Generations are counted: clocks may be set at any time."""
    try:
        added = read_record(root, package_id)[0].generation
    except (DataError, NotFound):
        return False
    return added is not None and added < newest
