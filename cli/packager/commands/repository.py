"""`packager index`, `key` and `trust`: the commands of whoever keeps a repository."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from packager.base.errors import UsageError
from packager.base.events import Field
from packager.base.stop_signals import stoppable
from packager.cli import output
from packager.cli.progress import Quiet
from packager.repositories import index_build

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey


def index(
    *,
    root: str,  # noqa: ARG001 - every command takes a root
    directory: str,
    sign: str | None,
    days: int,
    version: int | None,
    output_format: str,
) -> int:
    """Write, and sign, the index of a directory. Raises PackagerError, OutputFailed, Stopped."""
    if version is not None and sign is None:
        raise UsageError("--version is that of the signature: give the key that signs it: --sign")
    signers = _signers(sign)
    with stoppable(), _Reading() as emit, index_build.opened(directory) as top:
        if not signers and index_build.is_signed(top):
            raise UsageError(f"{directory} is signed: give the key that signs it: --sign")
        try:
            made = index_build.index(top, emit)
        except index_build.Broken as broken:
            for reason in broken.reasons[1:]:
                output.complain(f"{directory}: {reason}")
            raise
        signed: dict[str, object] | None = None
        if signers:
            from packager.repositories import tuf_signing

            result = tuf_signing.sign(top, made.content, signers, days=days, version=version)
            signed = {
                "root": result.root,
                "version": result.version,
                "expires": f"{result.expires:%Y-%m-%dT%H:%M:%SZ}",
                "keys": result.keys,
            }
    document: dict[str, object] = {
        "directory": directory,
        "packages": made.packages,
        "read": made.read,
        "changed": made.changed,
        "sha256": hashlib.sha256(made.content).hexdigest(),
        "signed": signed,
    }
    if output_format == "json":
        output.json_line(document)
        return 0
    change = "" if made.changed else ", unchanged"
    pairs = [
        ("index", f"{output.plural(made.packages, 'package')}, {made.read} read{change}"),
        ("sha256", str(document["sha256"])),
    ]
    if signed is not None:
        pairs.append(("signed", f"version {signed['version']}, until {signed['expires']}"))
        pairs += [("root key", each) for each in result.keys]
    output.fields(pairs)
    return 0


def key(*, root: str, path: str, new: bool, output_format: str) -> int:  # noqa: ARG001
    """Print the public key of a private one, which is made first if it is to be new."""
    from packager.repositories import key_files

    public = key_files.make(path) if new else key_files.word(key_files.load(path).public_key)
    if output_format == "json":
        output.json_line({"path": path, "public": public})
    else:
        output.line(public)
    return 0


def trust(
    *,
    root: str,  # noqa: ARG001
    directory: str,
    sign: str | None,
    root_keys: str | None,
    signing_keys: str | None,
    threshold: int | None,
    days: int,
    output_format: str,
) -> int:
    """Write the next root of a repository. Raises PackagerError, OutputFailed, Stopped."""
    signers = _signers(sign)
    if not signers:
        raise UsageError("a root has to be signed: give the root's keys: --sign")
    from packager.repositories import tuf_signing

    with stoppable(), index_build.opened(directory) as top:
        made = tuf_signing.trust(
            top,
            signers,
            root_keys=_public(root_keys),
            signing_keys=_public(signing_keys),
            threshold=threshold,
            days=days,
        )
    expires = f"{made.expires:%Y-%m-%dT%H:%M:%SZ}"
    if output_format == "json":
        output.json_line({"root": made.root, "expires": expires, "keys": made.keys})
    else:
        output.fields(
            [
                ("root", f"version {made.root}, until {expires}"),
                *(("root key", each) for each in made.keys),
            ]
        )
    return 0


class _Reading(Quiet):
    """Says which archive is being read, where somebody watches."""

    def __call__(self, event: str, /, **fields: Field) -> None:
        super().__call__(event, **fields)
        if event == "indexing" and output.is_terminal(output.STDERR):
            output.complain(f"{fields['path']} ({fields['number']} of {fields['total']})")


def _signers(words: str | None) -> list[CryptoSigner]:
    if words is None:
        return []
    from packager.repositories import key_files

    return [key_files.load(each) for each in words.split(",")]


def _public(words: str | None) -> list[SSlibKey] | None:
    if words is None:
        return None
    from packager.repositories import key_files

    return [key_files.public(each) for each in words.split(",")]
