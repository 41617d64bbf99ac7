"""`packager search`: what the repositories have. Nothing is changed, not even remembered."""

from __future__ import annotations

from packager.base.errors import PackagerError
from packager.base.stop_signals import stoppable
from packager.cli import output
from packager.cli.progress import listener
from packager.package.versions import key
from packager.repositories import configuration_file
from packager.repositories.candidates import Opened, Repositories
from packager.repositories.index_format import Package
from packager.repositories.retry_policy import Policy
from packager.store.installed import installed_ids


def run(
    *,
    root: str,
    words: tuple[str, ...],
    config_path: str | None,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    output_format: str,
) -> int:
    """List what matches all words. A repository that fails is told of and left out; if none is
    left, its failure is that of the command. Raises PackagerError, OutputFailed."""
    configured = configuration_file.load(config_path)
    policy = Policy(connect_timeout, read_timeout, retries)
    opened: list[Opened] = []
    failures: dict[str, PackagerError] = {}
    with stoppable(), listener("quiet") as emit:
        repositories = Repositories(configured, root, policy=policy, emit=emit, scratch=None)
        for each in configured:
            if each.layout == configuration_file.PKGPANDA:
                continue
            try:
                opened.append(repositories.open(each))
            except PackagerError as error:
                failures[each.name] = error
                if output_format != "json":
                    output.complain(str(error))
    if failures and not opened:
        raise next(iter(failures.values()))
    installed = frozenset(installed_ids(root))
    found = sorted(
        (
            (package, repository)
            for repository in opened
            for package in repository.packages.values()
            if _matches(package, words)
        ),
        key=lambda each: (each[0].name, key(each[0].version) or (), each[0].id),
    )
    if output_format == "json":
        output.json_line(
            {
                "packages": [_document(*each, installed) for each in found],
                "repositories": [
                    {"name": each.name, "ok": True, "verified": each.verified} for each in opened
                ]
                + [
                    {"name": name, "ok": False, "error": str(error)}
                    for name, error in failures.items()
                ],
            }
        )
    else:
        _table(found, installed)
    return 0


def _matches(package: Package, words: tuple[str, ...]) -> bool:
    text = f"{package.id}\n{_description(package)}".lower()
    return all(word.lower() in text for word in words)


def _description(package: Package) -> str:
    said = (package.pkginfo or {}).get("description")
    return said if isinstance(said, str) else ""


def _document(package: Package, repository: Opened, installed: frozenset[str]) -> dict[str, object]:
    return {
        "id": package.id,
        "name": package.name,
        "version": package.version,
        "size": package.size,
        "sha256": package.sha256,
        "repository": repository.name,
        "verified": repository.verified,
        "installed": package.id in installed,
        "pkginfo": package.pkginfo,
    }


def _table(found: list[tuple[Package, Opened]], installed: frozenset[str]) -> None:
    if not found:
        if output.is_terminal(output.STDOUT):
            output.complain("nothing was found")
        return
    output.table(
        ("id", "archive", "repository", "trust", "here", "description"),
        [
            (
                package.id,
                output.amount(package.size),
                repository.name,
                "verified" if repository.verified else "unverified",
                "installed" if package.id in installed else "",
                _description(package).partition("\n")[0],
            )
            for package, repository in found
        ],
    )
