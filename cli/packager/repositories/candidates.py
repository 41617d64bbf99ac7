"""What there is to be had: the configured repositories, asked in order.

An id comes from the first repository that has it; those without an index are asked last. A name, or
a name with a range, is looked for in the first repository that knows the name, and in no later one:
else whoever may write to any of them could put a higher version of everything there. A repository
that can't be read, or is not to be believed, ends the search; it is never passed over in silence.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from packager.archive.foreign_formats import HEAD_BYTES, compressed, described
from packager.base.debug_log import debug
from packager.base.errors import ConfigError, Conflict, DataError, NotFound, PackagerError
from packager.base.events import Emit, Field
from packager.dependencies.resolver import requested_package
from packager.package.package_id import flaw, split_id
from packager.package.versions import key
from packager.repositories import index_format
from packager.repositories.configuration_file import (
    DEFAULT_PATH,
    OFF,
    PKGPANDA,
    REQUIRE,
    Repository,
)
from packager.repositories.download import fetch
from packager.repositories.index_format import FILE_NAME, MAX_INDEX_BYTES, Package, location
from packager.repositories.mirrors import in_order
from packager.repositories.retry_policy import Policy
from packager.repositories.urls import redacted


class Candidate:
    """An archive that can be fetched. verified: whether somebody who is believed has signed that
    this is its hash; size (bytes) and sha256 are None where there is no index."""

    __slots__ = ("id", "package", "repository", "sha256", "size", "urls", "verified")

    def __init__(
        self,
        package_id: str,
        repository: str,
        urls: tuple[str, ...],
        *,
        package: Package | None,
        verified: bool,
    ) -> None:
        self.id = package_id
        self.repository = repository
        self.urls = urls
        self.package = package
        self.size = package.size if package else None
        self.sha256 = package.sha256 if package else None
        self.verified = verified


class Opened:
    """A repository whose index has been read. urls: those that just worked come first."""

    __slots__ = ("_urls", "name", "packages", "verified")

    def __init__(
        self, name: str, urls: tuple[str, ...], packages: dict[str, Package], verified: bool
    ) -> None:
        self.name = name
        self.packages = packages
        self.verified = verified
        self._urls = urls

    def candidate(self, package_id: str) -> Candidate:
        """The package of this id, which the repository has."""
        package = self.packages[package_id]
        urls = tuple(location(base, package.path) for base in self._urls)
        return Candidate(package_id, self.name, urls, package=package, verified=self.verified)


class Repositories:
    """The repositories in order; each is read when it is first asked, and once.

    scratch: a private directory of the store at `root`, whose memory of signed repositories is then
    kept up to date; without one nothing is written there.
    Events: index (repository, packages, verified) for each that was read; warning (message); those
    of downloads that fail (retrying, mirror).
    """

    def __init__(
        self,
        configured: Sequence[Repository],
        root: str,
        *,
        policy: Policy,
        emit: Emit,
        scratch: str | None,
    ) -> None:
        if not configured:
            raise ConfigError(
                f"no repository is configured: name one in {DEFAULT_PATH}, or in the file of "
                "--config: [[repositories]], and below it its name, url and keys"
            )
        self.configured = configured
        self._root = os.path.abspath(root)  # noqa: PTH100 - pathlib is slow to import
        self._policy = policy
        self._emit = emit
        self._scratch = scratch
        self._opened: dict[str, Opened] = {}

    def find(self, word: str) -> Candidate:
        """What an id, a name (the highest version) or a name with a range means (`db>=1,<2`).

        Raises UsageError, NotFound, Conflict where only chance could choose, and what reading a
        repository raises.
        """
        if "--" in word and not flaw(word):
            return self._find_id(word)
        return self._find_name(word)

    def available(self) -> dict[str, Candidate]:
        """Everything that a name can mean, by id: what a set can be made of."""
        found: dict[str, Candidate] = {}
        taken: dict[str, str] = {}  # a name: the repository that it is looked for in
        for opened in self.indexes():
            for package_id, package in opened.packages.items():
                if taken.setdefault(package.name, opened.name) == opened.name:
                    found[package_id] = opened.candidate(package_id)
        return found

    def indexes(self) -> Iterator[Opened]:
        """The repositories that have an index, in order."""
        for each in self.configured:
            if each.layout != PKGPANDA:
                yield self.open(each)

    def open(self, repository: Repository) -> Opened:
        """The repository with its index. Raises DataError if it is not to be believed, and what
        downloading raises; every message begins with the repository's name."""
        opened = self._opened.get(repository.name)
        if opened is None:
            try:
                opened = self._read(repository)
            except PackagerError as error:
                raise type(error)(f"repository {repository.name}: {error}") from None
            self._opened[repository.name] = opened
            debug(lambda: f"repository {opened.name}: verified: {opened.verified}")
            self._emit(
                "index",
                repository=opened.name,
                packages=len(opened.packages),
                verified=opened.verified,
            )
        return opened

    def _find_id(self, package_id: str) -> Candidate:
        for opened in self.indexes():
            if package_id in opened.packages:
                return opened.candidate(package_id)
        blind = [each for each in self.configured if each.layout == PKGPANDA]
        if not blind:
            raise NotFound(f"{package_id}: no repository has it ({self._names()})")
        path = f"packages/{split_id(package_id)[0]}/{package_id}.tar.xz"
        return Candidate(
            package_id,
            ", ".join(each.name for each in blind),
            tuple(location(base, path) for each in blind for base in each.urls),
            package=None,
            verified=False,
        )

    def _find_name(self, word: str) -> Candidate:
        relation = requested_package(word)
        for opened in self.indexes():
            versions = [each for each in opened.packages.values() if each.name == relation.name]
            if not versions:
                continue
            fitting = [each for each in versions if relation.admits(each.version)]
            if fitting:
                return opened.candidate(_highest(word, fitting).id)
            there = ", ".join(sorted(each.id for each in versions)[:8])
            raise NotFound(f"{word}: repository {opened.name} has only {there}")
        hint = ""
        if any(each.layout == PKGPANDA for each in self.configured):
            hint = "; where there is no index, a package is found by its whole id only"
        raise NotFound(f"{word}: no repository has it ({self._names()}){hint}")

    def _names(self) -> str:
        return ", ".join(each.name for each in self.configured)

    def _read(self, repository: Repository) -> Opened:
        if repository.trust != OFF:
            try:
                return self._signed(repository)
            except (DataError, ConfigError) as error:
                if repository.trust == REQUIRE:
                    raise
                self._emit(
                    "warning", message=f"repository {repository.name} is not verified: {error}"
                )

        def attempt(base: str, policy: Policy) -> dict[str, Package]:
            return _decoded(self._download(base, FILE_NAME, MAX_INDEX_BYTES, policy))

        return self._from_mirrors(repository, attempt, verified=False)

    def _signed(self, repository: Repository) -> Opened:
        from packager.repositories import trusted_metadata, tuf_client

        def remember(now: tuf_client.Seen) -> None:
            if self._scratch is not None:
                trusted_metadata.save(self._root, repository.name, now)

        def attempt(base: str, policy: Policy) -> dict[str, Package]:
            def download(path: str, most: int) -> bytes:
                return self._download(base, path, most, policy)

            before = trusted_metadata.load(self._root, repository.name)
            return _decoded(
                tuf_client.refresh(repository, before, download, remember, self._scratch)
            )

        return self._from_mirrors(repository, attempt, verified=True)

    def _from_mirrors(
        self,
        repository: Repository,
        attempt: Callable[[str, Policy], dict[str, Package]],
        *,
        verified: bool,
    ) -> Opened:
        url, packages = in_order(repository.urls, attempt, policy=self._policy, emit=self._emit)
        urls = (url, *(each for each in repository.urls if each != url))
        return Opened(repository.name, urls, packages, verified)

    def _download(self, base: str, path: str, most: int, policy: Policy) -> bytes:
        def emit(event: str, /, **fields: Field) -> None:
            if event != "fetching":
                self._emit(event, **fields)

        with tempfile.TemporaryFile() as file:
            limited = replace(policy, max_size=most)
            fetch(location(base, path), file, policy=limited, emit=emit, what="file")
            file.seek(0)
            content = file.read()
        # Whoever is in the way (a login page, a proxy's error) answers 200 with a page.
        content = _uncompressed(content, most)
        head = content[:HEAD_BYTES]
        foreign = described(head) or compressed(head)
        if foreign is not None:
            raise DataError(f"{location(redacted(base), path)}: JSON was expected, and {foreign}")
        return content


def _uncompressed(content: bytes, most: int) -> bytes:
    """`content`, decompressed if a server has compressed it on its own accord: object stores give
    what was uploaded with a Content-Encoding so, whatever is asked for. JSON begins otherwise."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = decompressor.decompress(content, most + 1)
    except zlib.error:
        return content
    if len(plain) > most:
        raise DataError(f"the file is larger than {most} bytes")
    return plain if decompressor.eof else content


def _decoded(content: bytes) -> dict[str, Package]:
    try:
        return index_format.decode(content)
    except DataError as error:
        raise DataError(f"{FILE_NAME} is refused: {error}") from None


def _highest(word: str, packages: Sequence[Package]) -> Package:
    ranked = sorted(((key(each.version) or (), each.id, each) for each in packages), reverse=True)
    if len(ranked) > 1 and not ranked[0][0]:
        ids = ", ".join(sorted(each.id for each in packages))
        raise Conflict(f"{word}: {ids} have no order among them: ask for one by its id")
    return ranked[0][2]
