"""Which packages a profile selects, and which of them have to be downloaded.

What is active and fits stays: the same profile means the same packages, whatever the repositories
have by now, until an upgrade is requested. They are read only if that is not enough.
"""

from __future__ import annotations

from packager.api import (
    flaw_of_id,
    installed_ids,
    read_record,
    requested_package,
    resolve,
    split_id,
    translated,
)
from packager.base.debug_log import debug
from packager.base.errors import Conflict, DataError, NotFound

from provisioner.profile.model import CONFIG_SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from packager.api import Candidate, Declared, Repositories

    OpenRepositories = Callable[[], Repositories]


class PackageSelection:
    """packages: the ids of the set, sorted. missing: where to get those that the store lacks."""

    __slots__ = ("missing", "packages")

    def __init__(self, packages: list[str], missing: list[Candidate]) -> None:
        self.packages = packages
        self.missing = missing


def select_packages(
    root: str,
    words: Sequence[str],
    active: Collection[str],
    open_repositories: OpenRepositories | None,
    *,
    upgrade: bool,
) -> PackageSelection:
    """The set for `words` (ids, names, names with ranges), with all that it requires.

    open_repositories: None if there are none. upgrade: the highest versions that there are, also of
    what is active. Raises NotFound, Conflict, naming the word and what would help; what reading a
    repository raises.
    """
    if not words:
        return PackageSelection([], [])
    with translated(root):
        installed = dict(_installed(root))
    pinned = list(words) if upgrade else [_pin(word, active) for word in words]
    debug(lambda: f"packages: requested {list(words)}, taken as {pinned}")
    if open_repositories is None:
        try:
            return PackageSelection(_resolve(words, pinned, installed, active), [])
        except NotFound as error:
            raise NotFound(
                f"{error}: add it to the store ('packager add'), or name a repository that has "
                "it (repositories in the profile, or packager's configuration)"
            ) from None
    if not any(flaw_of_id(word) for word in pinned) and not upgrade:
        try:
            return PackageSelection(resolve(pinned, installed, active), [])
        except (NotFound, Conflict):
            pass  # something has to be downloaded
    debug(lambda: "packages: the store is not enough, or an upgrade: repositories are read")
    return _select_with_repositories(open_repositories(), words, pinned, installed, active)


def _installed(root: str) -> Iterator[tuple[str, Declared]]:
    """The packages of the store and what they declare. A configuration with a damaged record is
    left out: no profile selects one, and it is made anew."""
    for each in installed_ids(root):
        try:
            yield each, read_record(root, each)[0].pkginfo or {}
        except DataError:
            if not split_id(each)[0].endswith(CONFIG_SUFFIX):
                raise


def _select_with_repositories(
    repositories: Repositories,
    words: Sequence[str],
    pinned: Sequence[str],
    installed: dict[str, Declared],
    active: Collection[str],
) -> PackageSelection:
    from packager.api import candidate_pkginfo

    available = repositories.available()
    metadata = {each: candidate_pkginfo(found) for each, found in available.items()} | installed
    for word in pinned:
        if not flaw_of_id(word) and word not in metadata:
            available[word] = repositories.find(word)
            metadata[word] = candidate_pkginfo(available[word])
    try:
        ids = _resolve(words, pinned, metadata, active)
    except NotFound as error:
        names = ", ".join(each.name for each in repositories.configured)
        raise NotFound(f"{error}, in the store and in the repositories {names}") from None
    return PackageSelection(ids, [available[each] for each in ids if each not in installed])


def _resolve(
    words: Sequence[str],
    pinned: Sequence[str],
    metadata: dict[str, Declared],
    active: Collection[str],
) -> list[str]:
    try:
        return resolve(pinned, metadata, active)
    except (NotFound, Conflict):
        if list(pinned) == list(words):
            raise
    return resolve(words, metadata, active)  # something active has to give way


def _pin(word: str, active: Collection[str]) -> str:
    """The active package that `word` admits, else `word`."""
    if not flaw_of_id(word):
        return word
    relation = requested_package(word)
    for each in active:
        name, version = split_id(each)
        if name == relation.name and relation.admits(version):
            return each
    return word
