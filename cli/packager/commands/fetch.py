"""`packager fetch`: from the repositories into the store, many packages at once."""

from __future__ import annotations

from packager.base import worker_processes
from packager.base.errors import UsageError
from packager.base.events import Field
from packager.base.stop_signals import stoppable
from packager.cli import output, progress_many_packages
from packager.cli.progress import listener, listening
from packager.repositories import configuration_file
from packager.repositories.candidates import Candidate, Repositories
from packager.repositories.install import install, pkginfo
from packager.repositories.mirrors import forget_old
from packager.repositories.retry_policy import Policy
from packager.store.store import Store


def run(
    *,
    root: str,
    words: tuple[str, ...],
    config_path: str | None,
    requires: bool,
    at_once: int,
    max_size: int,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    output_format: str,
) -> int:
    """Fetch packages; the exit status is that of the first that failed. Raises PackagerError,
    OutputFailed, Stopped."""
    if not words:
        raise UsageError("name at least one package: an id, a name, or a name with a range")
    store = Store(root)
    policy = Policy(connect_timeout, read_timeout, retries, max_size)
    with stoppable():
        with listening(listener("ndjson" if output_format == "ndjson" else "quiet")) as emit:
            configured = configuration_file.load(config_path)
            with store.staging() as scratch:
                repositories = Repositories(
                    configured, store.root, policy=policy, emit=emit, scratch=scratch
                )
                found = _find(repositories, words, requires)
        forget_old(store.root)
        ids = [each.id for each in found]
        with progress_many_packages.listener(
            output_format, {each.id: each.size for each in found}
        ) as tell:
            results = worker_processes.run(
                ids,
                lambda number, emit: install(store, found[number], policy, emit),
                at_once=at_once,
                emit=tell,
            )
    _report(ids, results, output_format)
    failed = (result["exit_code"] for result in results if result["event"] == "failed")
    return int(next(failed, 0) or 0)


def _find(repositories: Repositories, words: tuple[str, ...], requires: bool) -> list[Candidate]:
    if not requires:
        found = [repositories.find(word) for word in words]
        return list({each.id: each for each in found}.values())
    from packager.dependencies.resolver import resolve

    available = repositories.available()
    metadata = {package_id: pkginfo(each) for package_id, each in available.items()}
    return [available[each] for each in resolve(words, metadata)]


def _report(ids: list[str], results: list[dict[str, Field]], output_format: str) -> None:
    if output_format == "json":
        packages = [
            {"id": package_id, "ok": result["event"] == "added", **result}
            for package_id, result in zip(ids, results, strict=True)
        ]
        for each in packages:
            del each["event"]
        output.json_line({"ok": all(each["ok"] for each in packages), "packages": packages})
    elif output_format == "table":
        for package_id, result in zip(ids, results, strict=True):
            if result["event"] == "added":
                output.line(_sentence(package_id, result))


def _sentence(package_id: str, result: dict[str, Field]) -> str:
    words = f"{package_id} was there already, with the same content"
    if result["changed"]:
        files, size = result["files"], result["size"]
        assert isinstance(files, int) and isinstance(size, int)
        words = f"added {package_id} ({output.plural(files, 'file')}, {output.amount(size)})"
    return words if result["verified"] else f"{words}, unverified"
