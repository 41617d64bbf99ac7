"""Where a profile comes from: a path, standard input, a URL. Only bytes are read here.

They may contain secrets: they are kept in memory and written to no file.
"""

from __future__ import annotations

import hashlib
import os

from packager.base.documents import source as local
from packager.base.documents.source import SourceContent
from packager.base.errors import DataError, UsageError

from provisioner.base.core_dumps import forbid_core_dumps
from provisioner.profile.kind import PROFILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import Policy
    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptions


def read_source(
    source: str, *, sha256: str | None, options: CommandOptions, emit: Emit
) -> SourceContent:
    """The profile's bytes. sha256: what theirs must be, in hex; a URL needs one.

    Raises UsageError, NotFound, DataError for another hash or one that is too large; what
    `packager.repositories.download` raises.
    """
    forbid_core_dumps()
    if "://" in source:
        from packager.api import is_file_url, local_path

        if not is_file_url(source):
            downloaded = _download(source, sha256, options.download_policy, emit)
            return SourceContent(downloaded, is_public=False)
        source = local_path(source)
    found = local.read_source(source, PROFILE)
    if sha256 is not None and hashlib.sha256(found.content).hexdigest() != sha256:
        raise DataError(f"{display_name(source)}: the profile's SHA-256 is not {sha256}")
    return found


def read_layer(path: str) -> SourceContent:
    """The bytes of a profile that another one includes. Raises as `read_source` for a file."""
    return local.read_file(path, PROFILE)


def directory_of(source: str) -> str | None:
    """The directory that paths in the profile are relative to; None: it is in no file."""
    if source == local.STDIN or "://" in source:
        return None
    return os.path.dirname(os.path.abspath(source))  # noqa: PTH100, PTH120


def display_name(source: str) -> str:
    """The source as messages name it: a URL without its secrets."""
    if "://" not in source:
        return local.display_name(source)
    from packager.api import redacted

    return redacted(source)


def _download(url: str, sha256: str | None, policy: Policy, emit: Emit) -> bytes:
    from dataclasses import replace

    from packager.api import download, is_url, redacted

    if not is_url(url):
        raise UsageError(f"{redacted(url)}: only http, https and file URLs can be read")
    if sha256 is None:
        raise UsageError(
            f"{redacted(url)}: who answers there could bring anything to this host: "
            "give the SHA-256 that the profile has (--sha256)"
        )
    limited = replace(policy, max_size=local.MAX_DOCUMENT_BYTES)
    with open(os.memfd_create("profile"), "w+b") as file:  # noqa: PTH123
        download(url, file, policy=limited, emit=emit, sha256=sha256, what="profile")
        file.seek(0)
        return file.read()
