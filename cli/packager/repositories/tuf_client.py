"""Believing a signed index: TUF's client workflow, on what this host has seen before.

python-tuf decides: whether the root leads, step by step, from one that the configured keys have
signed; whether the timestamp, snapshot, targets and index belong together, are signed, have not
expired and are not older than the last ones seen. Here it gets its files and its downloads.

What was last seen is one file, ROOT/repositories/NAME/trusted.json, replaced by one rename and
never by something older. The library works on a copy: commands that run at once do not meet.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from packager.base.errors import DataError, Denied, NotFound, PackagerError
from packager.repositories import key_files
from packager.repositories.configuration_file import Repository
from packager.repositories.download import Forbidden
from packager.repositories.index_format import FILE_NAME, MAX_INDEX_BYTES

with key_files.libraries():
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import SSlibKey
    from tuf.api import exceptions
    from tuf.api.metadata import Metadata, Root, Timestamp
    from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

METADATA = "metadata/"
MAX_ROOTS = 256
DOCUMENTS = ("root", "timestamp", "snapshot", "targets")

_REMEDY = "packager index --sign KEY --version N, N greater than any version that hosts have seen"

Download = Callable[[str, int], bytes]  # (path in the repository, most bytes) -> content


class Seen:
    """What was last believed of a repository: its metadata files' texts, its index, its anchors."""

    __slots__ = ("anchors", "documents", "index")

    def __init__(
        self, anchors: list[str], documents: dict[str, str], index: bytes | None = None
    ) -> None:
        self.anchors = anchors  # the configured keys that the root was first believed for
        self.documents = documents  # by their names in DOCUMENTS; "root" is always there
        self.index = index

    @property
    def age(self) -> tuple[int, int]:
        """What must never go back: the versions of root and timestamp, the root's first."""
        text = self.documents.get("timestamp")
        timestamp = 0 if text is None else Metadata[Timestamp].from_bytes(text.encode())
        version = timestamp if isinstance(timestamp, int) else timestamp.signed.version
        return _root(self.documents["root"].encode()).signed.version, version

    def same(self, other: Seen | None) -> bool:
        """Whether nothing is new compared with `other`."""
        return other is not None and (
            (self.anchors, self.documents) == (other.anchors, other.documents)
            and (self.index is None or self.index == other.index)
        )

    def encode(self) -> bytes:
        """The text of trusted.json."""
        return json.dumps(
            {"seen": 1, "anchors": self.anchors, "documents": self.documents}
        ).encode()


def decode(content: bytes, place: str) -> Seen:
    """What `Seen.encode` wrote. Raises DataError: a lost memory is never taken for a new host."""
    try:
        document = json.loads(content)
        documents, anchors = document["documents"], document["anchors"]
        if document["seen"] != 1 or not isinstance(documents["root"], str):
            raise ValueError("another kind of document")
        if not all(isinstance(each, str) for each in [*documents.values(), *anchors]):
            raise ValueError("something that is no text")
        seen = Seen(anchors, {name: documents[name] for name in DOCUMENTS if name in documents})
        _ = seen.age
    except (ValueError, LookupError, TypeError, RecursionError, exceptions.RepositoryError) as e:
        raise DataError(
            f"{place}: what was last seen of the repository can't be read ({e}); if you delete "
            "the file, the repository is trusted as at first use"
        ) from None
    return seen


def refresh(
    repository: Repository,
    seen: Seen | None,
    download: Download,
    save: Callable[[Seen], None],
    directory: str | None,
) -> bytes:
    """The index that is signed by those whom `repository` names, current, and not rolled back.

    `seen` is what was last seen (see `Seen`), `save` gets what is now, also when the rest of it is
    refused; `directory` is where the library may work, None the system's for temporary files.
    Raises DataError for metadata that is not to be believed, and what `download` raises.
    """
    anchors = [*repository.keys, str(repository.threshold)]
    fetcher = _Fetcher(download)
    with tempfile.TemporaryDirectory(dir=directory) as scratch, _explained(fetcher):
        if seen is None or not (seen.anchors == anchors or _anchored(seen, repository)):
            bootstrap = _anchor(repository, fetcher)
            seen = None
        else:
            bootstrap = seen.documents["root"].encode()
            for name, text in seen.documents.items():
                Path(scratch, f"{name}.json").write_text(text)
            if seen.index is not None:
                Path(scratch, "index").write_bytes(seen.index)
        index: bytes | None = None
        try:
            updater = Updater(
                scratch, METADATA, None, METADATA, fetcher, _config(), bootstrap=bootstrap
            )
            _refresh(updater, Path(scratch), fetcher)
            target = updater.get_targetinfo(FILE_NAME)
            if target is None:
                raise DataError(f"the signed metadata does not list {FILE_NAME}")
            if target.length > MAX_INDEX_BYTES:
                raise DataError(f"the signed index is larger than {MAX_INDEX_BYTES} bytes")
            path = str(Path(scratch, "index"))
            if updater.find_cached_target(target, path) is None:
                updater.download_target(target, path)
            index = Path(path).read_bytes()
        finally:
            now = _collected(Path(scratch), anchors, index)
            if now is not None and not now.same(seen):
                save(now)
    return index


def _refresh(updater: Updater, scratch: Path, fetcher: _Fetcher) -> None:
    """Refresh, and notice what the library passes over: other content under a version that was
    seen before, which it takes for what it has. A repository that was put back from a backup, and
    signed again, has that, and would stay unseen until it comes to a higher version.

    Raises DataError, and what the library raises.
    """
    expired: exceptions.ExpiredMetadataError | None = None
    try:
        updater.refresh()
    except exceptions.ExpiredMetadataError as error:
        expired = error
    served, path = fetcher.timestamp, scratch / "timestamp.json"
    if served is not None and path.exists():
        there = Metadata[Timestamp].from_bytes(served).signed
        kept = Metadata[Timestamp].from_bytes(path.read_bytes()).signed
        # Signed twice over the same snapshot, which one is taken matters only if it has expired.
        same = there == kept if expired else there.snapshot_meta == kept.snapshot_meta
        if not same and there.version == kept.version:
            raise DataError(_reused("timestamp", kept.version))
        snapshot = scratch / "snapshot.json"
        if expired is None:
            try:
                kept.snapshot_meta.verify_length_and_hashes(snapshot.read_bytes())
            except exceptions.LengthOrHashMismatchError:
                raise DataError(_reused("snapshot", kept.snapshot_meta.version)) from None
    if expired is not None:
        raise expired


def _reused(what: str, version: int) -> str:
    return (
        f"its {what} is version {version} as one that was seen before, but another one: after a "
        f"repository was restored, sign it as a later version ({_REMEDY})"
    )


def _config() -> UpdaterConfig:
    return UpdaterConfig(max_root_rotations=MAX_ROOTS)


def _collected(scratch: Path, anchors: list[str], index: bytes | None) -> Seen | None:
    documents = {
        name: (scratch / f"{name}.json").read_text()
        for name in DOCUMENTS
        if (scratch / f"{name}.json").exists()
    }
    return Seen(anchors, documents, index) if "root" in documents else None


def _anchor(repository: Repository, fetcher: _Fetcher) -> bytes:
    """The first root that the configured keys have signed; it leads to all later ones."""
    for version in range(1, MAX_ROOTS + 1):
        try:
            path = f"{METADATA}{version}.root.json"
            content = fetcher.get(path, UpdaterConfig().root_max_length)
        except (NotFound, Forbidden) as error:
            if version == 1:
                raise DataError(
                    "it is not signed: there is no metadata/1.root.json"
                    + (f", or it may not be read ({error})" if isinstance(error, Denied) else "")
                ) from None
            break
        if _believed(_root(content), repository):
            return content
    raise DataError(f"none of its roots is signed by {repository.threshold} of the configured keys")


def _anchored(seen: Seen, repository: Repository) -> bool:
    """Whether the root last seen is signed by the configured keys, which are others now."""
    return _believed(_root(seen.documents["root"].encode()), repository)


def _believed(root: Metadata[Root], repository: Repository) -> bool:
    """Whether enough of the configured keys have signed `root`. Each counts once, by what it is
    and not by what the root calls it."""
    count = 0
    for digits in repository.keys:
        for keyid, key in root.signed.keys.items():
            if not isinstance(key, SSlibKey) or key.keyval.get("public") != digits:
                continue
            signature = root.signatures.get(keyid)
            own = SSlibKey(keyid, "ed25519", "ed25519", {"public": digits})
            try:
                if signature is not None:
                    own.verify_signature(signature, root.signed_bytes)
                    count += 1
                    break
            except UnverifiedSignatureError:
                continue
    return count >= repository.threshold


def _root(content: bytes) -> Metadata[Root]:
    """Raises RepositoryError, DataError."""
    root = Metadata[Root].from_bytes(content)
    if not isinstance(root.signed, Root):
        raise DataError(f"a root was expected, and not the {root.signed.type}")
    return root


@contextmanager
def _explained(fetcher: _Fetcher) -> Iterator[None]:
    """What the library raises, in words for a person; a download's own failure stays itself."""
    try:
        yield
    except exceptions.DownloadLengthMismatchError:
        raise DataError("its metadata exceeds the size limit") from None
    except exceptions.DownloadError:
        assert fetcher.failure is not None
        raise fetcher.failure from None
    except exceptions.ExpiredMetadataError as error:
        raise DataError(
            f"its signatures have expired ({error}): it is no longer signed, or an old copy of it "
            "is served, or this host's clock is wrong"
        ) from None
    except exceptions.BadVersionNumberError as error:
        raise DataError(
            f"it is older than the version that was seen before: {error}. An old copy is served "
            "(by a cache, a mirror that lags, or to keep this host from news); or the repository "
            f"was restored from a backup: then sign it as a later version ({_REMEDY})"
        ) from None
    except exceptions.UnsignedMetadataError as error:
        raise DataError(f"it is not signed with the trusted keys: {error}") from None
    except exceptions.LengthOrHashMismatchError as error:
        raise DataError(f"its metadata is inconsistent: {error}") from None
    except exceptions.RepositoryError as error:
        raise DataError(f"its metadata is refused: {fetcher.path}: {error}") from None


class _Fetcher(FetcherInterface):
    """The library's way to this program's downloads. path: what was asked for last; failure: what
    that failed of; timestamp: what was served as one."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self.failure: PackagerError | None = None
        self.path = ""
        self.timestamp: bytes | None = None

    def get(self, path: str, most: int) -> bytes:
        """The file of the repository. Raises what a download raises."""
        self.path = path
        return self._download(path, most)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        try:
            content = self.get(url, max_length)
        except (NotFound, Forbidden) as error:
            self.failure = error
            raise exceptions.DownloadHTTPError(str(error), 404) from error
        except PackagerError as error:
            self.failure = error
            raise exceptions.DownloadError(str(error)) from error
        if url == f"{METADATA}timestamp.json":
            self.timestamp = content
        return content

    def _fetch(self, url: str) -> Iterator[bytes]:
        return io.BytesIO(self.download_bytes(url, MAX_INDEX_BYTES))
