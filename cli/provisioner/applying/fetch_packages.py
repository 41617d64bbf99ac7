"""Downloads packages that the store lacks, several at a time (see
`packager.base.worker_processes`)."""

from __future__ import annotations

from packager.api import forget_old_downloads, install_candidate
from packager.base import worker_processes
from packager.cli import progress_many_packages
from packager.cli.progress import Events

from provisioner.base.failures import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from packager.api import Candidate, Store
    from packager.base.events import Emit, Field

    from provisioner.base.command_options import CommandOptions

MAX_REASONS_SHOWN = 20
UNKNOWN_EXIT_CODE = 70


def fetch_packages(
    store: Store, missing: Sequence[Candidate], options: CommandOptions, emit: Emit
) -> None:
    """Download and add the packages. Events: those of `packager fetch`, each with the package's id.

    The failure of one does not stop the others. Raises PackagerError naming those that failed, with
    the exit code of the first.
    """
    forget_old_downloads(store.root)
    policy = options.download_policy

    def pass_on(package_id: str, document: dict[str, Field]) -> None:
        fields = {key: value for key, value in document.items() if key != "event"}
        event = "not-fetched" if document["event"] == "failed" else str(document["event"])
        emit(event, **{"id": package_id, **fields})

    def draw(package_id: str, document: dict[str, Field]) -> None:
        if document["event"] != "failed":  # the error is raised at the end
            bar(package_id, document)

    sizes = {each.id: each.size for each in missing}
    with progress_many_packages.listener("table", sizes) as bar:
        results = worker_processes.run(
            [each.id for each in missing],
            lambda number, emit: install_candidate(store, missing[number], policy, emit),
            at_once=options.parallel_downloads,
            emit=pass_on if isinstance(emit, Events) else draw,
        )
    failed = [
        (each.id, result)
        for each, result in zip(missing, results, strict=True)
        if "exit_code" in result
    ]
    if failed:
        reasons = [f"{package_id}: {result['error']}" for package_id, result in failed]
        raise failure(
            "not all packages could be fetched: " + "\n".join(reasons[:MAX_REASONS_SHOWN]),
            int(failed[0][1]["exit_code"] or UNKNOWN_EXIT_CODE),
        )
