"""`packager repair`: what `verify` finds is put right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from packager.activation import activate
from packager.activation.planning import Request
from packager.base.errors import DataError, UsageError
from packager.base.events import Emit, Field
from packager.cli import output
from packager.cli.progress import listener, listening
from packager.commands.add import name_of, opened
from packager.generations.document import active_generation
from packager.host.options import HostOptions
from packager.repositories import configuration_file
from packager.store.difference import UNREAD, Difference
from packager.store.installed import has_tree, installed_ids
from packager.store.manifest_records import missing
from packager.store.store import Store
from packager.store.translation import translated
from packager.verification import repair
from packager.verification.verify import verify

if TYPE_CHECKING:
    from typing import Unpack

    from packager.host.options import HostOptionValues

Patience = tuple[float, float, int, int]  # the arguments of Policy


class Repaired:
    """What has become of everything that differed."""

    def __init__(self) -> None:
        self.packages: list[dict[str, Field]] = []
        self.generation: int | None = None
        self.units: list[str] = []

    @property
    def exit_code(self) -> int:
        return int(next((str(each["exit_code"]) for each in self.packages if not each["ok"]), "0"))

    @property
    def changed(self) -> bool:
        repaired = any(each["ok"] for each in self.packages)
        return repaired or self.generation is not None or bool(self.units)


def run(
    *,
    root: str,
    package_ids: tuple[str, ...],
    source: str | None,
    sha256: str | None,
    discard: bool,
    config_path: str | None,
    max_size: int,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    output_format: str,
    **host: Unpack[HostOptionValues],
) -> int:
    """Repair; the exit status is that of the first package that could not be. Raises PackagerError,
    OutputFailed, Stopped."""
    if source is not None and len(package_ids) != 1:
        raise UsageError("--from is the archive of one package: give its id")
    if sha256 is not None and source is None:
        raise UsageError("--sha256 is that of the archive --from: give both")
    store = Store(root)
    options = HostOptions(**host)
    patience = (connect_timeout, read_timeout, retries, max_size)
    done = Repaired()
    with listening(listener(output_format)) as emit:
        damaged, active = _differing(store.root, package_ids)
        if source is not None and damaged:
            name_of(source)  # a wrong one is refused before anything is fetched

            @contextmanager
            def given(_: str) -> Iterator[tuple[BinaryIO, str | None]]:
                with opened(store, source, package_ids[0], sha256, None, patience, emit) as archive:
                    yield archive, sha256

            done.packages = repair.packages(store, damaged, given, emit, discard=discard)
        elif damaged:
            _from_repositories(store, damaged, config_path, patience, emit, done, discard=discard)
        if active:
            done.generation = repair.renew_active(
                store.root, options.roles(), emit=emit, discard=discard
            )
            if done.generation is not None:
                emit("renewed", generation=done.generation)
        if not package_ids:
            _host(store.root, active, options, emit, done)
        _report(done, output_format, emit)
    return done.exit_code


def _differing(root: str, ids: tuple[str, ...]) -> tuple[list[str], list[Difference]]:
    """The packages that differ, and the differences of the active set and of the unit files."""
    active: list[Difference] = []
    wanted = ids or _all(root)
    there = [each for each in wanted if has_tree(root, each)]
    damaged = [each for each in wanted if each not in there]
    for each in damaged:
        if not os.path.lexists(f"{root}/manifests/{each}"):
            raise missing(root, each)

    def hear(event: str, /, **fields: Field) -> None:
        if event == "verified" and "id" in fields and fields["differences"]:
            damaged.append(str(fields["id"]))
        elif event == "difference" and "generation" in fields and fields["kind"] != UNREAD:
            words = (str(fields[name]) for name in ("path", "reason", "kind"))
            active.append(Difference(*words))

    if there or not ids:
        verify(root, there, hear, active=not ids)
    return sorted(damaged), active


def _all(root: str) -> list[str]:
    """The packages of the store, and those of the active set even if they are gone."""
    try:
        with translated(root):
            generation = active_generation(root)
    except DataError:  # to be repaired, too
        generation = None
    active = generation.packages if generation is not None else {}
    return sorted({*installed_ids(root), *active})


def _from_repositories(
    store: Store,
    damaged: list[str],
    config_path: str | None,
    patience: Patience,
    emit: Emit,
    done: Repaired,
    *,
    discard: bool,
) -> None:
    """Repair packages with the archives that the configured repositories have of them."""
    from packager.repositories.candidates import Repositories
    from packager.repositories.install import archive
    from packager.repositories.retry_policy import Policy

    policy = Policy(*patience)
    with store.staging() as scratch:
        repositories = Repositories(
            configuration_file.load(config_path),
            store.root,
            policy=policy,
            emit=emit,
            scratch=scratch,
        )

        @contextmanager
        def fetched(package_id: str) -> Iterator[tuple[BinaryIO, str | None]]:
            found = repositories.find(package_id)
            with archive(store, found, policy, emit) as (file, _):
                yield file, found.sha256

        done.packages = repair.packages(store, damaged, fetched, emit, discard=discard)


def _host(
    root: str,
    differences: list[Difference],
    options: HostOptions,
    emit: Emit,
    done: Repaired,
) -> None:
    """Place the unit files that are not as they were placed: by an activation of the same set,
    which is told each directory that it is about, whatever the options say."""
    lacking = repair.forget_units(root, differences)
    done.units = sorted({name for names in lacking.values() for name in names})
    with translated(root):
        active = active_generation(root)
    if active is None:
        return
    for directory in lacking:
        there = options.replace(units_dir=directory, rooted_systemd=False)
        request = Request("activate", list(active.packages), roles=active.roles, options=there)
        activate.activate(root, request, emit)


def _report(done: Repaired, output_format: str, emit: Emit) -> None:
    well = sum(bool(each["ok"]) for each in done.packages)
    failed = len(done.packages) - well
    if output_format == "ndjson":
        emit("done", changed=done.changed, repaired=well, failed=failed)
        return
    if output_format == "json":
        output.json_line(
            {
                "ok": not failed,
                "changed": done.changed,
                "packages": done.packages,
                "generation": done.generation,
                "units": done.units,
            }
        )
        return
    for each in done.packages:
        if each["ok"]:
            output.line(f"repaired {each['id']}")
        else:
            output.complain(f"{each['id']}: {each['error']}")
    if done.generation is not None:
        output.line(f"made the links of generation {done.generation} anew")
    if done.units:
        output.line(f"placed {', '.join(done.units)}")
    if not done.changed and not failed:
        output.line("nothing differs; nothing was changed")
