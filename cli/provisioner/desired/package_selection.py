"""Which packages a profile's words stand for, and which of them have to be fetched.

What is active and fits stays: the same profile means the same packages, whatever the repositories
have by now, until somebody asks for an upgrade. Only where that does not do are they asked.
"""

from __future__ import annotations

from packager.base.errors import Conflict, DataError, NotFound
from packager.dependencies.resolver import requested_package, resolve
from packager.package.package_id import flaw, split_id
from packager.store.installed import installed_ids
from packager.store.manifest_records import read_record
from packager.store.write_session import translated

from provisioner.profile.document import CONFIG_SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from packager.dependencies.relations import Declared
    from packager.repositories.candidates import Candidate, Repositories

    Ask = Callable[[], Repositories]


class Choice:
    """A set of packages: all of them, sorted, and where to get those that the store lacks."""

    __slots__ = ("ids", "missing")

    def __init__(self, ids: list[str], missing: list[Candidate]) -> None:
        self.ids = ids
        self.missing = missing


def choose(
    root: str, words: Sequence[str], active: Collection[str], ask: Ask | None, *, upgrade: bool
) -> Choice:
    """The set for `words`, with all that it requires. ask: opens the repositories; None: there are
    none. upgrade: the highest versions that there are, also of what is active.

    Raises NotFound, Conflict, naming the word and what would help; what reading a repository
    raises.
    """
    if not words:
        return Choice([], [])
    with translated(root):
        installed = dict(_installed(root))
    pinned = list(words) if upgrade else [_pin(word, active) for word in words]
    if ask is None:
        try:
            return Choice(_resolved(words, pinned, installed, active), [])
        except NotFound as error:
            raise NotFound(
                f"{error}: add it to the store ('packager add'), or name a repository that has "
                "it (repositories in the profile, or packager's configuration)"
            ) from None
    if not any(flaw(word) for word in pinned) and not upgrade:
        try:
            return Choice(resolve(pinned, installed, active), [])
        except (NotFound, Conflict):
            pass  # something has to be fetched
    return _from_repositories(ask(), words, pinned, installed, active)


def _installed(root: str) -> Iterator[tuple[str, Declared]]:
    """The packages of the store and what they say of themselves. A damaged configuration is left
    out: no profile's words stand for one, and it is made anew."""
    for each in installed_ids(root):
        try:
            yield each, read_record(root, each)[0].pkginfo or {}
        except DataError:
            if not split_id(each)[0].endswith(CONFIG_SUFFIX):
                raise


def _from_repositories(
    repositories: Repositories,
    words: Sequence[str],
    pinned: Sequence[str],
    installed: dict[str, Declared],
    active: Collection[str],
) -> Choice:
    from packager.repositories.install import pkginfo

    available = repositories.available()
    metadata = {each: pkginfo(found) for each, found in available.items()} | installed
    for word in pinned:
        if not flaw(word) and word not in metadata:
            available[word] = repositories.find(word)
            metadata[word] = pkginfo(available[word])
    try:
        ids = _resolved(words, pinned, metadata, active)
    except NotFound as error:
        names = ", ".join(each.name for each in repositories.configured)
        raise NotFound(f"{error}, in the store and in the repositories {names}") from None
    return Choice(ids, [available[each] for each in ids if each not in installed])


def _resolved(
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
    if not flaw(word):
        return word
    relation = requested_package(word)
    for each in active:
        name, version = split_id(each)
        if name == relation.name and relation.admits(version):
            return each
    return word
