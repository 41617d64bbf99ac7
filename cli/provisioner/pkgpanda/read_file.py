"""Files of pkgpanda, which may be missing."""

from __future__ import annotations

from packager.base.errors import DataError, from_os_error

MAX_FILE_BYTES = 16 << 20


def read_optional_file(path: str) -> bytes | None:
    """The content of a file, None if it is not there. Raises PackagerError for errno."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise DataError(f"{path} is a directory; a file is needed") from None
    except OSError as error:
        raise from_os_error(error, path) from error
