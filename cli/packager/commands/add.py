"""`packager add`: from a file, standard input or a server, into the store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from packager.base.errors import NotFound, UsageError, from_os_error
from packager.base.events import Emit, Field
from packager.cli import output
from packager.cli.progress import Quiet, listener, listening
from packager.package.package_id import flaw
from packager.store.store import Added, Store, id_of

if TYPE_CHECKING:
    from packager.repositories.retry_policy import Policy

STDIN = "-"


def run(
    *,
    root: str,
    source: str,
    package_id: str | None,
    sha256: str | None,
    size: int | None,
    max_size: int,
    connect_timeout: float,
    read_timeout: float,
    retries: int,
    output_format: str,
) -> int:
    """Add one package; raises PackagerError, OutputFailed, Stopped."""
    store = Store(root)
    with listening(listener(output_format)) as emit:
        hint = name_of(source)
        id_of(package_id, hint)  # a wrong id is refused before anything is fetched
        policy = (connect_timeout, read_timeout, retries, max_size)
        with opened(store, source, package_id, sha256, size, policy, emit) as archive:
            added = store.add(
                archive,
                package_id=package_id,
                name_hint=hint,
                sha256=sha256,
                size=size,
                emit=emit,
            )
    _report(added, output_format, emit)  # after the last bar has been drawn to its end
    return 0


def _report(added: Added, output_format: str, emit: Quiet) -> None:
    result: dict[str, Field] = {
        "id": added.id,
        "changed": added.changed,
        "files": added.files,
        "size": added.size,
        "sha256": added.sha256,
        "tree": added.tree,
    }
    if output_format == "ndjson":
        emit("added", **result)
    elif output_format == "json":
        output.json_line(result)
    elif added.changed:
        what = f"{output.plural(added.files, 'file')}, {output.amount(added.size)}"
        output.line(f"added {added.id} ({what})")
    else:
        output.line(f"{added.id} was there already, with the same content")


def _is_remote(source: str) -> bool:
    """Whether this is a URL; what fetches one is imported for that only, as it takes its time."""
    return "://" in source


def name_of(source: str) -> str | None:
    """The file name in SOURCE, None for standard input. Raises UsageError."""
    if source == STDIN:
        return None
    if _is_remote(source):
        from packager.repositories import urls

        if not (urls.is_url(source) or urls.is_file_url(source)):
            raise UsageError(
                f"{urls.redacted(source)}: only http, https and file URLs can be fetched"
            )
        try:
            return urls.file_name(source)
        except ValueError:
            raise UsageError(f"{urls.redacted(source)}: the URL is malformed") from None
    return os.path.basename(source)  # noqa: PTH119


def opened(
    store: Store,
    source: str,
    package_id: str | None,
    sha256: str | None,
    size: int | None,
    patience: tuple[float, float, int, int],
    emit: Emit,
) -> AbstractContextManager[BinaryIO]:
    """The archive at SOURCE, which is fetched if it is a URL, and built if it is a directory;
    `patience`: the arguments of Policy. Raises PackagerError."""
    if _is_remote(source):
        from packager.repositories import urls

        if urls.is_file_url(source):
            source = urls.local_path(source)
    if not _is_remote(source):
        if source != STDIN and os.path.isdir(source):  # noqa: PTH112
            if sha256 is not None or size is not None:
                raise UsageError(
                    f"{source} is a directory: --sha256 and --size are those of an archive"
                )
            return _built(store, source, package_id)
        return _opened(source)
    from packager.repositories.retry_policy import Policy

    return _fetched(store, source, sha256, size, Policy(*patience), emit)


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    if source == STDIN:
        if sys.stdin is None:
            raise UsageError("standard input is closed; there is no archive to read")
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal; redirect the archive into it")
        yield sys.stdin.buffer
        return
    try:
        file = open(source, "rb", buffering=0)  # noqa: PTH123, SIM115
    except FileNotFoundError:
        raise NotFound(f"{source}: there is no such file") from None
    except OSError as error:
        raise from_os_error(error, source) from error
    with file:
        yield cast(BinaryIO, file)


@contextmanager
def _built(store: Store, directory: str, package_id: str | None) -> Iterator[BinaryIO]:
    """What `build` makes of the directory, so that it is judged as any other archive."""
    from packager.archive.build import build

    if package_id is None:
        reason = flaw(os.path.basename(os.path.abspath(directory)))  # noqa: PTH100, PTH119
        if reason is not None:
            raise UsageError(
                f"{directory} is a directory, and its name is not a package id ({reason}): give "
                "the id (--id), or an archive; 'packager build' makes one of a directory"
            )
    with store.staging() as staging, open(os.path.join(staging, "built"), "w+b") as file:  # noqa: PTH118, PTH123
        build(directory, file, package_id=package_id, compression="none")
        file.seek(0)
        yield file


@contextmanager
def _fetched(
    store: Store, url: str, sha256: str | None, size: int | None, policy: Policy, emit: Emit
) -> Iterator[BinaryIO]:
    from packager.repositories.download import fetch

    with store.staging() as directory, open(os.path.join(directory, "download"), "w+b") as file:  # noqa: PTH118, PTH123
        fetch(url, file, policy=policy, emit=emit, sha256=sha256, size=size)
        file.seek(0)
        yield file
