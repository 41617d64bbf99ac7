"""Where a document comes from: a path, or standard input. Only bytes are read here.

They may contain secrets: they are kept in memory and written to no file.
"""

from __future__ import annotations

import os
import sys

from packager.base.bounded_read import read_up_to
from packager.base.errors import DataError, NotFound, UsageError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packager.base.documents.kind import DocumentKind

STDIN = "-"
MAX_DOCUMENT_BYTES = 4 << 20


def read_source(source: str, kind: DocumentKind) -> bytes:
    """The document's bytes; `-` is standard input. Raises UsageError, NotFound, DataError for one
    that is too large, PackagerError for errno."""
    content = _read_standard_input(kind) if source == STDIN else _read_file(source, kind)
    if len(content) > MAX_DOCUMENT_BYTES:
        place = display_name(source)
        raise DataError(f"{place}: a {kind.noun} has at most {MAX_DOCUMENT_BYTES} bytes")
    return content


def display_name(source: str) -> str:
    """The source as messages name it."""
    return "standard input" if source == STDIN else source


def _read_standard_input(kind: DocumentKind) -> bytes:
    if sys.stdin is None:
        raise UsageError(f"standard input is closed; there is no {kind.noun} to read")
    if sys.stdin.isatty():
        raise UsageError(f"standard input is a terminal; redirect the {kind.noun} into it")
    try:
        return read_up_to(0, MAX_DOCUMENT_BYTES)
    except OSError as error:
        raise from_os_error(error, "standard input") from error


def _read_file(path: str, kind: DocumentKind) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_up_to(fd, MAX_DOCUMENT_BYTES)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise NotFound(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory; a {kind.noun} is a file") from None
    except OSError as error:
        raise from_os_error(error, path) from error
