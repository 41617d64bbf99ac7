"""Secrets: read when they are needed, seen only by templates, and known elsewhere by keyed digests.

A plain hash of something short can be guessed by trying. So what is derived from secrets and may be
read by everybody (a digest in a record, a package's id) is keyed with ROOT/provisioner/key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat

from packager.base.errors import DataError, NotFound, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packager.base.events import Emit

LARGEST = 1 << 20  # bytes of one secret


def read(secrets: Mapping[str, str | dict[str, str]], emit: Emit) -> dict[str, str]:
    """The secrets' texts, by name; those that are in files are read, without their last newline.

    Event: `warning` for a file that others may read. Raises NotFound, DataError, PackagerError for
    errno; no message has a secret in it.
    """
    return {
        name: each if isinstance(each, str) else _from_file(name, each["file"], emit)
        for name, each in secrets.items()
    }


def digest(key: bytes, *things: object) -> str:
    """The digest of JSON-able things, in hex, for who has the key."""
    text = json.dumps(things, sort_keys=True, separators=(",", ":"))
    return keyed(key, text.encode())


def keyed(key: bytes, content: bytes) -> str:
    """The digest of bytes, in hex, for who has the key."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _from_file(name: str, path: str, emit: Emit) -> str:
    here = f"the secret {name}: {path}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{here} is not a file")
            content = b""
            while len(content) <= LARGEST and (piece := os.read(fd, LARGEST + 1)):
                content += piece
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise NotFound(f"{here}: there is no such file") from None
    except OSError as error:
        raise type(from_os_error(error))(f"{here}: {error.strerror}") from error
    if len(content) > LARGEST:
        raise DataError(f"{here} has more than {LARGEST} bytes")
    if status.st_mode & 0o007:
        emit("warning", message=f"{here} can be read by everybody (chmod o= {path})")
    try:
        return content.removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        raise DataError(f"{here} is not UTF-8") from None
