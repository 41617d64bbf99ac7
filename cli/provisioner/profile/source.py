"""Where a profile comes from: a path, standard input, a URL. Only bytes are read here.

They may contain secrets: they are kept in memory and written to no file.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys

from packager.base.errors import DataError, NotFound, UsageError, from_os_error

from provisioner.base.bounded_read import read_up_to
from provisioner.base.core_dumps import forbid_core_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.api import Policy
    from packager.base.events import Emit

    from provisioner.base.command_options import CommandOptions

STDIN = "-"
MAX_PROFILE_BYTES = 4 << 20


class SourceContent:
    """The bytes of a profile. is_public: everybody on this host can read the file they are in."""

    __slots__ = ("content", "is_public")

    def __init__(self, content: bytes, *, is_public: bool) -> None:
        self.content = content
        self.is_public = is_public


def read_source(
    source: str, *, sha256: str | None, options: CommandOptions, emit: Emit
) -> SourceContent:
    """The profile's bytes. sha256: what theirs must be, in hex; a URL needs one.

    Raises UsageError, NotFound, DataError for another hash or one that is too large; what
    `packager.repositories.download` raises.
    """
    forbid_core_dumps()
    if "://" in source:
        downloaded = _download(source, sha256, options.download_policy, emit)
        return SourceContent(downloaded, is_public=False)
    content, is_public = _read_standard_input() if source == STDIN else _read_file(source)
    if len(content) > MAX_PROFILE_BYTES:
        raise DataError(f"{display_name(source)}: a profile has at most {MAX_PROFILE_BYTES} bytes")
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{display_name(source)}: the profile's SHA-256 is not {sha256}")
    return SourceContent(content, is_public=is_public)


def display_name(source: str) -> str:
    """The source as messages name it: a URL without its secrets."""
    if source == STDIN:
        return "standard input"
    if "://" not in source:
        return source
    from packager.api import redacted

    return redacted(source)


def _read_standard_input() -> tuple[bytes, bool]:
    if sys.stdin is None:
        raise UsageError("standard input is closed; there is no profile to read")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; redirect the profile into it")
    try:
        return read_up_to(0, MAX_PROFILE_BYTES), _is_public(0)
    except OSError as error:
        raise from_os_error(error, "standard input") from error


def _read_file(path: str) -> tuple[bytes, bool]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_up_to(fd, MAX_PROFILE_BYTES), _is_public(fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory; a profile is a file") from None
    except OSError as error:
        raise from_os_error(error, path) from error


def _is_public(fd: int) -> bool:
    status = os.fstat(fd)
    has_name = stat.S_ISREG(status.st_mode) and status.st_nlink > 0  # a host's spool has none
    return has_name and bool(status.st_mode & stat.S_IROTH)


def _download(url: str, sha256: str | None, policy: Policy, emit: Emit) -> bytes:
    from dataclasses import replace

    from packager.api import download, is_url, redacted

    if not is_url(url):
        raise UsageError(f"{redacted(url)}: only http and https URLs can be fetched")
    if sha256 is None:
        raise UsageError(
            f"{redacted(url)}: who answers there could bring anything to this host: "
            "give the SHA-256 that the profile has (--sha256)"
        )
    limited = replace(policy, max_size=MAX_PROFILE_BYTES)
    with open(os.memfd_create("profile"), "w+b") as file:  # noqa: PTH123
        download(url, file, policy=limited, emit=emit, sha256=sha256, what="profile")
        file.seek(0)
        return file.read()
