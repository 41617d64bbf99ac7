"""One package, from where it was found into the store (see `repository.Candidate`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from packager.base.errors import Conflict, DataError, NotFound
from packager.base.events import Emit, Field
from packager.package.pkginfo import parse_pkginfo
from packager.repositories.candidates import Candidate
from packager.repositories.mirrors import fetch_from, part
from packager.repositories.retry_policy import Policy
from packager.store.store import Store


def pkginfo(candidate: Candidate) -> dict[str, object]:
    """What the index says of the package's relations, once it has been looked at. It only leads to
    what is fetched: the package itself is judged when it is added."""
    if candidate.package is None or candidate.package.pkginfo is None:
        return {}
    import json

    try:
        return parse_pkginfo(json.dumps(candidate.package.pkginfo).encode())[0]
    except DataError as error:
        raise DataError(f"repository {candidate.repository}: {candidate.id}: {error}") from None


def install(store: Store, candidate: Candidate, policy: Policy, emit: Emit) -> dict[str, Field]:
    """Fetch and add one package; what the event "added" says of it. Raises PackagerError."""
    there = installed(store, candidate)
    if there is not None:
        return there
    with archive(store, candidate, policy, emit) as (file, source):
        added = store.add(
            file, package_id=candidate.id, sha256=candidate.sha256, size=candidate.size, emit=emit
        )
    emit("fetched", source=source, repository=candidate.repository)
    return {
        "changed": added.changed,
        "files": added.files,
        "size": added.size,
        "sha256": added.sha256,
        "tree": added.tree,
        "repository": candidate.repository,
        "verified": candidate.verified,
    }


@contextmanager
def archive(
    store: Store, candidate: Candidate, policy: Policy, emit: Emit
) -> Iterator[tuple[BinaryIO, str]]:
    """The archive of a package, fetched and checked, and where it came from. Raises PackagerError.

    One whose hash is known is kept until the block has ended well; what the block finds to be of no
    use (DataError, Conflict) is thrown away.
    """
    if candidate.sha256 is None:
        with (
            store.staging() as directory,
            open(os.path.join(directory, "download"), "w+b") as file,  # noqa: PTH118, PTH123
        ):
            source = fetch_from(candidate.urls, file, policy=policy, emit=emit)
            file.seek(0)
            yield file, source
        return
    with part(store.root, candidate.sha256) as kept:
        try:
            source = fetch_from(
                candidate.urls,
                kept,
                policy=policy,
                emit=emit,
                sha256=candidate.sha256,
                size=candidate.size,
            )
        except DataError as error:
            raise DataError(
                f"{error}; its index says otherwise: it may be in the middle of an update (try "
                "again later), or its index is to be made anew ('packager index')"
            ) from None
        kept.seek(0)
        try:
            yield kept, source
        except (DataError, Conflict):
            kept.truncate(0)
            raise


def installed(store: Store, candidate: Candidate) -> dict[str, Field] | None:
    """The same if the very package is in the store; nothing need be fetched then."""
    if candidate.package is None:
        return None
    try:
        record = store.show(candidate.id)
    except NotFound:
        return None
    if candidate.sha256 != record.archive_sha256 and candidate.package.tree != record.tree:
        return None
    return {
        "changed": False,
        "files": record.files,
        "size": record.size,
        "sha256": record.archive_sha256,
        "tree": record.tree,
        "repository": candidate.repository,
        "verified": candidate.verified,
    }
