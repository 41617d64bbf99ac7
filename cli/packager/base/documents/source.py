"""Where a document comes from: a path, or standard input. Only bytes are read here.

They may contain secrets: they are kept in memory and written to no file.
"""

from __future__ import annotations

import os
import stat
import sys

from packager.base.bounded_read import read_up_to
from packager.base.errors import DataError, NotFound, UsageError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.documents.kind import DocumentKind

STDIN = "-"
MAX_DOCUMENT_BYTES = 4 << 20


class SourceContent:
    """The bytes of a document. is_public: everybody on this host can read the file they are in."""

    __slots__ = ("content", "is_public")

    def __init__(self, content: bytes, *, is_public: bool) -> None:
        self.content = content
        self.is_public = is_public


def read_source(source: str, kind: DocumentKind) -> SourceContent:
    """The document's bytes; `-` is standard input. Raises UsageError, NotFound, DataError for one
    that is too large, PackagerError for errno."""
    return _read_standard_input(kind) if source == STDIN else read_file(source, kind)


def read_file(path: str, kind: DocumentKind) -> SourceContent:
    """The bytes of the document at a path. Raises as `read_source`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _read(fd, path, kind)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory; a {kind.noun} is a file") from None
    except OSError as error:
        raise from_os_error(error, path) from error


def display_name(source: str) -> str:
    """The source as messages name it."""
    return "standard input" if source == STDIN else source


def _read_standard_input(kind: DocumentKind) -> SourceContent:
    if sys.stdin is None:
        raise UsageError(f"standard input is closed; there is no {kind.noun} to read")
    if sys.stdin.isatty():
        raise UsageError(f"standard input is a terminal; redirect the {kind.noun} into it")
    try:
        return _read(0, display_name(STDIN), kind)
    except OSError as error:
        raise from_os_error(error, display_name(STDIN)) from error


def _read(fd: int, place: str, kind: DocumentKind) -> SourceContent:
    content = read_up_to(fd, MAX_DOCUMENT_BYTES)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise DataError(f"{place}: a {kind.noun} has at most {MAX_DOCUMENT_BYTES} bytes")
    status = os.fstat(fd)
    has_name = stat.S_ISREG(status.st_mode) and status.st_nlink > 0  # a host's spool has none
    return SourceContent(content, is_public=has_name and bool(status.st_mode & stat.S_IROTH))
