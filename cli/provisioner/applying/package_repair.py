"""Before the activation: damaged packages get fresh trees, damaged links of the active set are made
anew. What is undamaged is left alone."""

from __future__ import annotations

from contextlib import contextmanager

from packager.base.debug_log import debug

from provisioner.base.failures import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from packager.base.events import Emit, Field

    OpenArchive = Callable[[str], AbstractContextManager[BinaryIO]]


def repair_packages_and_links(
    root: str,
    ids: Sequence[str],
    open_archive: OpenArchive,
    emit: Emit,
    *,
    quick: bool,
    discard: bool,
) -> bool:
    """Repair the packages `ids` and the links of the active set; whether anything was damaged.

    open_archive: gives a fresh archive of a package. quick: files that were not touched since they
    were added are not read. discard: what was put into the trees, or changed there, is not kept.
    Events: `repaired` (id), `renewed` (generation), `kept` (of, path, place), those of unpacking.
    Raises the failure of the first package that can't be repaired, after the others have been;
    DataError if an archive has another tree than the package; PackagerError.
    """
    damaged, are_links_damaged = _find_damage(root, ids, quick=quick)
    debug(lambda: f"repair: damaged packages {damaged}, damaged links {are_links_damaged}")
    if damaged:
        _repair_packages(root, damaged, open_archive, emit, discard=discard)
    renewed = None
    if are_links_damaged:
        from packager.api import renew_active_generation

        renewed = renew_active_generation(root, emit=emit, discard=discard)
        if renewed is not None:
            emit("renewed", generation=renewed)
    return bool(damaged) or renewed is not None


def _repair_packages(
    root: str, damaged: Sequence[str], open_archive: OpenArchive, emit: Emit, *, discard: bool
) -> None:
    from packager.api import Store, repair_packages

    @contextmanager
    def open_without_digest(package_id: str) -> Iterator[tuple[BinaryIO, str | None]]:
        with open_archive(package_id) as archive:
            yield archive, None

    for each in repair_packages(Store(root), damaged, open_without_digest, emit, discard=discard):
        if not each["ok"]:
            package_id, message = str(each["id"]), str(each["error"])
            if package_id not in message:
                message = f"{package_id}: {message}"
            raise failure(message, int(str(each["exit_code"])))


def _find_damage(root: str, ids: Sequence[str], *, quick: bool) -> tuple[list[str], bool]:
    """The packages that differ, sorted, and whether the active generation does."""
    from packager.api import verify

    damaged: list[str] = []
    is_generation_damaged = False

    def collect(event: str, /, **fields: Field) -> None:
        nonlocal is_generation_damaged
        if event == "verified" and fields["differences"]:
            if "id" in fields:
                damaged.append(str(fields["id"]))
            else:
                is_generation_damaged = True

    if ids:
        verify(root, ids, collect, active=True, quick=quick)
    return damaged, is_generation_damaged
