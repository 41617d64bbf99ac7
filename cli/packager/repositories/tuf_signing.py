"""Signing an index: the metadata of The Update Framework (TUF), in DIR/metadata.

    N.root.json        which keys may sign what, and how many must; signed by the root's keys, and,
                       when it replaces another one, by that one's too
    N.targets.json     size and hash of the index
    N.snapshot.json    the version of the targets
    timestamp.json     the version and hash of the snapshot; the only name that is used again
    HASH.index.json    the index

All of it is plain files. The timestamp is written last: until then readers, and mirrors that are
just being filled, have the former state, whole. Signing again, in time, is all that is to be done
regularly; it needs the signing key, not the root's.

The scheme and the words for its parts: https://theupdateframework.github.io/specification/latest/
"""

from __future__ import annotations

import copy
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from packager.base import durable_files
from packager.base.errors import ConfigError, DataError, UsageError
from packager.repositories import key_files
from packager.repositories.index_build import METADATA
from packager.repositories.index_format import FILE_NAME

with key_files.libraries():
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import (
        Metadata,
        MetaFile,
        Root,
        Snapshot,
        TargetFile,
        Targets,
        Timestamp,
    )

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from securesystemslib.signer import CryptoSigner, SSlibKey

T = TypeVar("T", Root, Targets, Timestamp)

ROOT_DAYS = 365  # for how long a root is good that nobody said it of
KEPT_VERSIONS = 3  # versions of targets and snapshot: readers on their way, mirrors that lag behind
ROOT = "root"
SIGNING_ROLES = ("targets", "snapshot", "timestamp")
MAX_VERSION = 9_999_999_999  # the names of files have ten digits for it
MAX_METADATA_BYTES = 4 << 20  # bytes of a metadata file that is read here

_VERSIONED = re.compile(r"([1-9][0-9]{0,9})\.(root|targets|snapshot)\.json", re.ASCII)
_INDEX = re.compile(rf"([0-9a-f]{{64}})\.{re.escape(FILE_NAME)}", re.ASCII)


class Signed:
    """What was signed. keys: the root's public keys, which clients' configurations name."""

    __slots__ = ("expires", "keys", "root", "version")

    def __init__(self, root: Root, version: int, expires: datetime) -> None:
        self.root = root.version
        self.keys = [key_files.word(root.keys[each]) for each in root.roles[ROOT].keyids]  # type: ignore[arg-type]
        self.version = version  # of the timestamp
        self.expires = expires


def sign(
    top: int,
    index: bytes,
    signers: Sequence[CryptoSigner],
    *,
    days: int,
    version: int | None = None,
) -> Signed:
    """Sign `index` as that of the repository in the directory `top` for so many days.

    A repository without a root gets one, of these keys, for all roles; one whose root these keys
    can renew has it renewed in time. version: of all that is signed, where hosts have seen more
    versions than there are here; None: the next one. Raises UsageError for one that is no later
    one, ConfigError if the root does not let these keys sign, DataError for metadata that can't be
    read, OSError.
    """
    durable_files.make_directory(METADATA, 0o755, top)
    with durable_files.opened(METADATA, top) as metadata:
        now = datetime.now(UTC).replace(microsecond=0)
        expires = now + timedelta(days=days)
        long = now + timedelta(days=max(days, ROOT_DAYS))
        root = _newest_root(metadata)
        public = [each.public_key for each in signers]
        if root is None:
            root = _write_root(metadata, None, public, public, 1, long, signers)
        elif root.signed.expires <= expires and _suffices(root.signed, ROOT, public):
            root = _write_root(metadata, root, None, None, None, long, signers)
        if root.signed.expires <= now:
            raise ConfigError(
                f"the root expired on {root.signed.expires:%Y-%m-%d}: renew it with its own keys, "
                "by 'packager trust'"
            )
        for role in SIGNING_ROLES:
            if not _suffices(root.signed, role, public):
                raise ConfigError(
                    f"the root lets other keys sign the {role}, or wants more of them: "
                    + ", ".join(_words(root.signed, role))
                )
        return _sign(metadata, root.signed, index, signers, expires, version)


def trust(
    top: int,
    signers: Sequence[CryptoSigner],
    *,
    root_keys: Sequence[SSlibKey] | None,
    signing_keys: Sequence[SSlibKey] | None,
    threshold: int | None,
    days: int,
) -> Signed:
    """Write the next root: which keys may sign the root itself and which the index, from now on.

    None leaves it as it is; a first root has the signers' keys. Raises UsageError if the signers
    are not those that the former root and this one ask for, DataError, OSError.
    """
    durable_files.make_directory(METADATA, 0o755, top)
    with durable_files.opened(METADATA, top) as metadata:
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
        root = _newest_root(metadata)
        if root is None:
            public = [each.public_key for each in signers]
            root_keys = root_keys or public
            signing_keys = signing_keys or root_keys
        made = _write_root(metadata, root, root_keys, signing_keys, threshold, expires, signers)
        return Signed(made.signed, 0, expires)


def _write_root(
    metadata: int,
    former: Metadata[Root] | None,
    root_keys: Sequence[SSlibKey] | None,
    signing_keys: Sequence[SSlibKey] | None,
    threshold: int | None,
    expires: datetime,
    signers: Sequence[CryptoSigner],
) -> Metadata[Root]:
    root = former.signed if former is not None else Root(consistent_snapshot=True)
    before = copy.deepcopy(root) if former is not None else None
    if before is not None:
        root.version += 1
    root.expires = expires
    if root_keys is not None:
        _assign(root, [ROOT], root_keys)
    if signing_keys is not None:
        _assign(root, SIGNING_ROLES, signing_keys)
    if threshold is not None:
        root.roles[ROOT].threshold = threshold
    root_role = root.roles[ROOT]
    if root_role.threshold > len(root_role.keyids):
        raise UsageError(
            f"{root_role.threshold} signatures can't come from {len(root_role.keyids)} root keys"
        )
    made: Metadata[Root] = Metadata(root)
    for signer in signers:
        made.sign(signer, append=True)
    for judge, whose in ((before, "the former"), (root, "the new")):
        if judge is not None and not _signed_by(judge, made):
            raise UsageError(
                f"{whose} root has to be signed by {judge.roles[ROOT].threshold} of "
                f"{', '.join(_words(judge, ROOT))}"
            )
    durable_files.replace_file(f"{root.version}.root.json", metadata, made.to_bytes())
    return made


def _signed_by(judge: Root, made: Metadata[Root]) -> bool:
    return judge.get_verification_result(ROOT, made.signed_bytes, made.signatures).verified


def _assign(root: Root, roles: Collection[str], public: Sequence[SSlibKey]) -> None:
    for role in roles:
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        for key in public:
            root.add_key(key, role)
        root.roles[role].threshold = min(root.roles[role].threshold, len(public))


def _sign(
    metadata: int,
    root: Root,
    index: bytes,
    signers: Sequence[CryptoSigner],
    expires: datetime,
    wanted: int | None,
) -> Signed:
    former = _read(metadata, "timestamp.json", Timestamp)
    timestamp = former.signed if former is not None else Timestamp()
    last = timestamp.snapshot_meta.version if former is not None else 0
    version = max([last, *_versions(metadata, "snapshot"), *_versions(metadata, "targets")]) + 1
    next_timestamp = timestamp.version + 1 if former is not None else version
    if wanted is not None:
        if wanted > MAX_VERSION:
            raise UsageError(f"version {wanted} is too large; {MAX_VERSION} is the last one")
        if wanted < max(version, next_timestamp):
            raise UsageError(
                f"version {wanted} is not later than what is there; the next one is "
                f"{max(version, next_timestamp)}"
            )
        version = next_timestamp = wanted
    target = TargetFile.from_data(FILE_NAME, index, ["sha256"])
    targets = Metadata(Targets(version, expires=expires, targets={FILE_NAME: target}))
    snapshot = Metadata(Snapshot(version, expires=expires))
    snapshot.signed.meta["targets.json"] = _described(version, _signed_bytes(targets, signers))
    timestamp.snapshot_meta = _described(version, _signed_bytes(snapshot, signers))
    timestamp.version = next_timestamp
    timestamp.expires = expires
    durable_files.replace_file(f"{target.hashes['sha256']}.{FILE_NAME}", metadata, index)
    durable_files.replace_file(f"{version}.targets.json", metadata, targets.to_bytes())
    durable_files.replace_file(f"{version}.snapshot.json", metadata, snapshot.to_bytes())
    timestamp_bytes = _signed_bytes(Metadata(timestamp), signers)
    durable_files.replace_file("timestamp.json", metadata, timestamp_bytes)
    _prune(metadata)
    return Signed(root, timestamp.version, expires)


def _signed_bytes(
    made: Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp],
    signers: Sequence[CryptoSigner],
) -> bytes:
    for signer in signers:
        made.sign(signer, append=True)
    return made.to_bytes()


def _described(version: int, content: bytes) -> MetaFile:
    return MetaFile.from_data(version, content, ["sha256"])


def _newest_root(metadata: int) -> Metadata[Root] | None:
    versions = _versions(metadata, ROOT)
    if not versions:
        return None
    root = _read(metadata, f"{max(versions)}.root.json", Root)
    assert root is not None
    return root


def _suffices(root: Root, role: str, public: Sequence[SSlibKey]) -> bool:
    root_role = root.roles[role]
    words = {key_files.word(each) for each in public}
    return len(words.intersection(_words(root, role))) >= root_role.threshold


def _words(root: Root, role: str) -> list[str]:
    return [key_files.word(root.keys[each]) for each in root.roles[role].keyids]  # type: ignore[arg-type]


def _versions(metadata: int, role: str) -> list[int]:
    matches = [_VERSIONED.fullmatch(name) for name in os.listdir(metadata)]
    return [int(each[1]) for each in matches if each is not None and each[2] == role]


def _read(metadata: int, name: str, kind: type[T]) -> Metadata[T] | None:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=metadata)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:  # noqa: PTH123
        content = file.read(MAX_METADATA_BYTES)
    try:
        found = Metadata.from_bytes(content)
    except RepositoryError as error:
        raise DataError(f"{METADATA}/{name}: it can't be read: {error}") from None
    if not isinstance(found.signed, kind):
        raise DataError(f"{METADATA}/{name}: it is the {found.signed.type}")
    return found


def _prune(metadata: int) -> None:
    """Delete what no reader asks for any more; roots stay, as the way from any of them to now."""
    indexes: set[str] = set()
    for role in ("targets", "snapshot"):
        versions = sorted(_versions(metadata, role))
        for version in versions[:-KEPT_VERSIONS]:
            os.unlink(f"{version}.{role}.json", dir_fd=metadata)
        for version in versions[-KEPT_VERSIONS:] if role == "targets" else ():
            found = _read(metadata, f"{version}.targets.json", Targets)
            if found is not None:
                indexes.update(each.hashes["sha256"] for each in found.signed.targets.values())
    for name in os.listdir(metadata):
        matched = _INDEX.fullmatch(name)
        unfinished = name.startswith(".") and name.endswith(durable_files.UNFINISHED)
        if unfinished or (matched is not None and matched[1] not in indexes):
            os.unlink(name, dir_fd=metadata)
