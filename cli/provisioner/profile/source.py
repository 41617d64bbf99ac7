"""Where a profile comes from: a path, standard input, a URL. What comes is bytes, judged later.

The bytes may hold secrets: they are kept in memory and written to no file.
"""

from __future__ import annotations

import hashlib
import os
import sys

from packager.base.errors import DataError, NotFound, UsageError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.events import Emit
    from packager.repositories.http_policy import Policy

    from provisioner.base.command_options import Settings

STDIN = "-"
LARGEST = 4 << 20  # bytes of a profile


def read(source: str, *, sha256: str | None, settings: Settings, emit: Emit) -> bytes:
    """The profile's bytes. `sha256`, in hex, is what they must have; a URL needs one.

    Raises UsageError, NotFound, DataError for another hash or a giant; what
    `packager.repositories.download` raises.
    """
    if "://" in source:
        return _fetched(source, sha256, settings.policy, emit)
    content = _standard_input() if source == STDIN else _file(source)
    if len(content) > LARGEST:
        raise DataError(f"{place(source)}: a profile has at most {LARGEST} bytes")
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{place(source)}: the profile's SHA-256 is not {sha256}")
    return content


def place(source: str) -> str:
    """How a source is called in messages: a URL without its secrets."""
    if source == STDIN:
        return "standard input"
    if "://" not in source:
        return source
    from packager.repositories.http_policy import redacted

    return redacted(source)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UsageError("standard input is closed; there is no profile to read")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; redirect the profile into it")
    try:
        return _all(0)
    except OSError as error:
        raise from_os_error(error, "standard input") from error


def _file(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _all(fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory; a profile is a file") from None
    except OSError as error:
        raise from_os_error(error, path) from error


def _all(fd: int) -> bytes:
    """Everything that can be read, up to a byte more than is allowed."""
    content = bytearray()
    while len(content) <= LARGEST:
        piece = os.read(fd, LARGEST + 1 - len(content))
        if not piece:
            break
        content += piece
    return bytes(content)


def _fetched(url: str, sha256: str | None, policy: Policy, emit: Emit) -> bytes:
    from dataclasses import replace

    from packager.repositories import http_policy
    from packager.repositories.download import fetch

    if not http_policy.is_url(url):
        raise UsageError(f"{http_policy.redacted(url)}: only http and https URLs can be fetched")
    if sha256 is None:
        raise UsageError(
            f"{http_policy.redacted(url)}: who answers there could bring anything to this host: "
            "give the SHA-256 that the profile has (--sha256)"
        )
    limited = replace(policy, max_size=LARGEST)
    with open(os.memfd_create("profile"), "w+b") as file:  # noqa: PTH123
        fetch(url, file, policy=limited, emit=emit, sha256=sha256, what="profile")
        file.seek(0)
        return file.read()
