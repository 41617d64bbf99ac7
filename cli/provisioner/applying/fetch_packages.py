"""Packages that the store lacks, fetched side by side (see `packager.base.worker_processes`)."""

from __future__ import annotations

from packager.base import worker_processes
from packager.base.errors import PackagerError
from packager.cli import progress_many_packages
from packager.cli.progress import Events
from packager.repositories.install import install
from packager.repositories.mirrors import forget_old

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from packager.base.events import Emit, Field
    from packager.repositories.candidates import Candidate
    from packager.store.store import Store

    from provisioner.base.command_options import Settings

MOST_REASONS = 20


def fetch(store: Store, missing: Sequence[Candidate], settings: Settings, emit: Emit) -> None:
    """Fetch and add the packages. Events: those of `packager fetch`, each with the package's id.

    What one fails of does not stop the others. Raises PackagerError naming those that failed, with
    the exit code of the first.
    """
    forget_old(store.root)
    policy = settings.policy

    def tell(package_id: str, document: dict[str, Field]) -> None:
        told = {key: value for key, value in document.items() if key != "event"}
        event = "not-fetched" if document["event"] == "failed" else str(document["event"])
        emit(event, **{"id": package_id, **told})

    def draw(package_id: str, document: dict[str, Field]) -> None:
        if document["event"] != "failed":  # it is said at the end
            bar(package_id, document)

    sizes = {each.id: each.size for each in missing}
    with progress_many_packages.listener("table", sizes) as bar:
        results = worker_processes.run(
            [each.id for each in missing],
            lambda number, emit: install(store, missing[number], policy, emit),
            at_once=settings.at_once,
            emit=tell if isinstance(emit, Events) else draw,
        )
    failed = [
        (each.id, result)
        for each, result in zip(missing, results, strict=True)
        if "exit_code" in result
    ]
    if failed:
        reasons = [f"{package_id}: {result['error']}" for package_id, result in failed]
        error = PackagerError("not all packages could be had: " + "\n".join(reasons[:MOST_REASONS]))
        error.exit_code = int(failed[0][1]["exit_code"] or 70)
        raise error
